@echo off
rem Finds a Python and hands over to _bootstrap.py: _start.cmd run or test, then arguments
setlocal
set "CHECK=import sys; sys.exit(sys.version_info < (3, 11))"
if not defined AVATARIFY_PYTHON goto search
"%AVATARIFY_PYTHON%" -c "%CHECK%" >nul 2>nul
if errorlevel 1 goto wrong
"%AVATARIFY_PYTHON%" -I "%~dp0_bootstrap.py" %*
exit /b %ERRORLEVEL%

:search
py -3 -c "%CHECK%" >nul 2>nul
if errorlevel 1 goto plain
py -3 -I "%~dp0_bootstrap.py" %*
exit /b %ERRORLEVEL%

:plain
python -c "%CHECK%" >nul 2>nul
if errorlevel 1 goto missing
python -I "%~dp0_bootstrap.py" %*
exit /b %ERRORLEVEL%

:wrong
echo AVATARIFY_PYTHON names %AVATARIFY_PYTHON%, which is not a Python 3.11 or newer; name another one or unset it. >&2
exit /b 2

:missing
echo There is no Python 3.11 or newer on this computer: install one (winget install Python.Python.3.13), or name one in the environment variable AVATARIFY_PYTHON. >&2
exit /b 2

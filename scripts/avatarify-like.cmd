@echo off
rem Starts the program; sets itself up on first use.
"%~dp0_start.cmd" run %*

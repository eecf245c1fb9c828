@echo off
rem Runs linter, types and tests; sets itself up on first use. --all: also those with PyTorch.
"%~dp0_start.cmd" test %*

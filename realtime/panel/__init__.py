"""The control panel: one page, served to browsers while a run goes on."""

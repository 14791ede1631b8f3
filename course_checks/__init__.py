"""Exercise checks, a module for each notebook: give a check your function; it prints one line, or raises `NotYet`."""

"""What can be run: a scenario a file, and the table of all."""

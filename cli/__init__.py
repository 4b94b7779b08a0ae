"""The command line: one file per noun, thin; data goes to standard output, everything else to standard error."""

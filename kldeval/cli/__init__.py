"""The command line: one file per command. The only prints and the only exit codes are here."""

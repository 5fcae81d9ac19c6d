"""From paths to decoded pairs: listing, pairing, reading one file per format, grey from colour, resizing."""

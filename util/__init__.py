"""What every room of the house shares: errors, logging, files, images, colour, checkpoints, processes and pages."""

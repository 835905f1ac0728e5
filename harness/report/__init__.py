"""Reports, all written from one results object."""

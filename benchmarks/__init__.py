"""What opus_nb costs, measured: ``python -m benchmarks`` prints one table of ratios."""

"""The outcomes on the way out: frames, plots and files, made from `opus_nb.job.Outcome` records, offline."""

"""Is it worth its cost: costs, QALYs, incremental analysis and acceptability."""

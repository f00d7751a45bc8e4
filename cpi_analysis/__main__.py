"""Run the command line with ``python -m cpi_analysis``."""

from cpi_analysis.cli import main

raise SystemExit(main())

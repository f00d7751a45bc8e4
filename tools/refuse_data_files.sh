#!/usr/bin/env bash
# Refuses data files: participant data must never enter the repository, and data under
# another licence must not be copied into it. The generated dictionary is the one exception.
set -euo pipefail
refused=0
for file in "$@"; do
  case "$file" in
    data_dictionary/*) continue ;;
  esac
  case "${file,,}" in
    *.csv | *.tsv | *.xls | *.xlsx | *.xlsm | *.sav | *.zsav | *.por | *.dta | *.sas7bdat | *.parquet | *.feather | *.rds | *.rdata | *.pkl | *.pickle | *.npy | *.npz | *.h5 | *.db | *.sqlite)
      echo "refused: $file is a data file (tests make their data; reference data stay outside)" >&2
      refused=1
      ;;
  esac
done
exit "$refused"

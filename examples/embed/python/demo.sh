#!/usr/bin/env bash
# LIBKERF: the library, if it is not in a system's place.
set -euo pipefail
cd "$(dirname "$0")"
python3 -B main.py ..

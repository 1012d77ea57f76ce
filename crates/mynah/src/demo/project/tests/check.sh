#!/bin/sh
# Compares what the program says about data/mynahs.txt with tests/expected.
set -e
"$1" -n 6 -s data/stopwords.txt data/mynahs.txt > tests/actual
diff tests/expected tests/actual
echo "check: passed"

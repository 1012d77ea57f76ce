# rsync between directories here and across: temporary names, renames, times, deletions, links, checksums.
cd "$1"
local=$(mktemp -d)
trap 'rm -rf "$local"' EXIT
mkdir -p src/a/b
for i in 1 2 3 4 5; do seq $((i * 1000)) > src/a/f$i; done
ln -s f1 src/a/l
ln src/a/f1 src/a/b/hard
chmod 640 src/a/f2
touch -d @1111111111 src/a/f3
rsync -aH src/ dst/
diff -r src dst
stat -c '%n %a %h' dst/a/f2 dst/a/f1
stat -c %Y dst/a/f3
rsync -aHi src/ dst/
echo changed >> src/a/f5
rm src/a/f4
echo new > src/a/new
touch -d @1300000000 src/a src/a/f5
rsync -aHi --delete src/ dst/ | sort
diff -r src dst
rsync -a src/ "$local/"
diff -r src "$local"
echo back > "$local/a/back"
touch -d @1400000000 "$local/a"
rsync -ai "$local/" dst/ | sort
rsync -ac --out-format=%n src/ dst/ | sort
rsync -a --inplace src/a/f5 dst/a/f5
rsync -a --link-dest="$PWD/dst" src/ third/
[ third/a/f2 -ef dst/a/f2 ] && echo shared
rsync -a --partial --append src/a/f2 dst/a/f2
rsync -n -ai --delete src/ dst/ | sort
rsync -a --remove-source-files "$local/a/back" moved/
ls moved
rsync -r --list-only src/a/ | awk '{print $1, $2, $NF}'
rsync -a none/ x/ 2> /dev/null || echo "status $?"
find . | sort

# sed -i, ed-like edits, patch, awk writing files, editors' ways of saving.
cd "$1"
printf 'alpha\nbeta\ngamma\n' > f
chmod 640 f
sed -i 's/beta/BETA/' f
cat f
stat -c %a f
sed -i.bak '1d' f
cat f f.bak
sed -n '2p;w written' f
cat written
ln -s f l
sed -i --follow-symlinks 's/gamma/GAMMA/' l
readlink l
cat f
sed -i 's/x/y/' none 2>&1 || true
mkdir d
sed -i 's/x/y/' d 2>&1 || true
for i in 1 2 3 4 5 6; do cp f.bak m$i; done
sed -i -s '$a last' m?
tail -qn1 m? | sort | uniq -c
cp f.bak old
cp f.bak new
echo delta >> new
sed -i 's/alpha/omega/' new
diff -u --label old --label new old new > change || true
cat change
patch -s old change
cmp old new
patch -sR old change
cmp old f.bak
awk '{print > $1 ".out"}' new
cat omega.out delta.out
awk 'BEGIN{while((getline l < "new") > 0) n++; print n}'
cp new saved~
mv new new.tmp && mv new.tmp new
xargs -a new -n1 echo item
tee -a new < f > /dev/null
wc -l new
csplit -s -f part new 2 4
ls part*
rm part*
expr "$(wc -l < new)" + 1
ls

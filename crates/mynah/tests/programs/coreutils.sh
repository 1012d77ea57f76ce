# coreutils: copying, moving, listing, attributes, and the rest of every day.
cd "$1"
seq 1 1000 > numbers
mkdir -p deep/er/est
echo leaf > deep/er/est/leaf
ln -s est deep/er/link
ln numbers deep/hard
cp numbers copy
cmp numbers copy
cp -r deep deep2
cp -a deep deep3
cp -al deep deep4
cp -s "$PWD/numbers" symbolic
ls -1 deep2/er
readlink deep3/er/link
stat -c '%n %s %h %F %a' numbers deep/hard
readlink symbolic
mv copy moved
mv moved deep2/
ls deep2
mv -n numbers deep2/moved || true
mv deep2 renamed
touch -d '2001-02-03 04:05:06' old
touch -r old older
stat -c '%n %y' old older
date -r old +%s
touch -c none
ls none 2>&1 || true
[ old -ot numbers ] && echo older than numbers
ls -l --time-style=+%Y old | cut -d' ' -f1,5-
ls -la --time-style=+ -d . | cut -c1-10
ls -R renamed
ls -F deep/er
ls -1U deep > /dev/null
chmod 600 old
chmod u+x,g=r,o= older
chmod -R go-rwx deep3
stat -c '%n %a' old older deep3/er deep3/er/est/leaf
dd if=numbers of=part bs=100 skip=2 count=3 status=none; wc -c part; dd if=numbers of=part bs=10 seek=2 count=1 conv=notrunc status=none; md5sum part
dd if=/dev/zero of=sparse bs=1 count=1 seek=100000 status=none; stat -c %s sparse; truncate -s 5 sparse; truncate -s +5 sparse; stat -c %s sparse
split -l 300 numbers piece.
wc -l piece.*
cat piece.* | cmp - numbers
sort -rn numbers -o numbers
head -3 numbers
tail -2 numbers
tail -c 4 numbers
sort -n numbers > sorted
tac sorted | cmp - numbers
uniq -c sorted | wc -l
comm -12 <(sort numbers) <(sort sorted) | wc -l
cut -c1 sorted | sort | uniq -c
paste sorted numbers | head -2
join <(seq 3) <(seq 2 4)
nl sorted | tail -1
fold -w 3 sorted | head -2
od -c part | head -2
expand part | wc -c
fmt sorted | tail -1
tee a b < part > c
cmp a b
cmp a c
sum a
cksum a
sha256sum a b c
sha256sum a b c > sums
sha256sum -c sums
install -m 751 -D a made/by/install
stat -c %a made/by/install
mkdir -m 700 -p p/q/r
stat -c %a p p/q/r
rmdir -p p/q/r
mktemp -p . -t tmp.XXXXXX > name
test -f "$(cat name)"
rm "$(cat name)"
mktemp -d -p . dirXXXX > name
test -d "$(cat name)"
rmdir "$(cat name)"
rm name
mkfifo pipe
(echo through a pipe > pipe &)
cat pipe
rm pipe
readlink -f deep/er/link/leaf
realpath deep/../deep/er/link
realpath -s deep/er/link
basename "$PWD/x.c" .c
dirname a/b/c
pwd -P
pathchk a
du -b --apparent-size numbers
du -a deep4 > /dev/null
df . > /dev/null
df -i numbers > /dev/null
sync
sync -f numbers
sync numbers
test -w . && echo writable
ln -sf a symbolic
cat symbolic | wc -c
ln -sfn deep dirlink
ln -sfn made dirlink
readlink dirlink
ln -f a b
[ a -ef b ] && echo linked
unlink b
link a b
shred -u c
cp --preserve=all a kept
cp -u numbers kept2
cp --attributes-only a empty
stat -c %s empty
cp --backup=numbered a kept2
ls kept2*
cp -rT deep3 deep5
cp --parents deep/er/est/leaf made
find made | sort
env -C deep pwd
nice true
timeout 20 cat a > /dev/null
nohup cat a 2> /dev/null | wc -c
stdbuf -oL head -1 sorted
chroot / true 2> /dev/null || true
ls nothing 2>&1 || true
cat deep 2>&1 || true
cp deep nowhere/x 2>&1 || true
rm deep 2>&1 || true
rmdir deep 2>&1 || true
mkdir deep 2>&1 || true
mv none x 2>&1 || true
ln a 2>&1 || true
cat a/b 2>&1 || true
rm -rf deep4 deep5
rm -r deep
rm -f none
ls

# find and grep over a tree.
cd "$1"
for d in a b c; do mkdir -p tree/$d/sub; for i in 1 2 3 4 5 6 7 8; do printf 'file %s in %s\nneedle %s\n' $i $d $i > tree/$d/f$i.txt; echo data > tree/$d/sub/.h$i; done; done
ln -s ../b tree/a/to-b
ln -s nowhere tree/a/broken
chmod 755 tree/a/f1.txt
: > tree/empty
mkdir tree/none
dd if=/dev/zero of=tree/zeros bs=1k count=64 status=none
find tree | sort | md5sum
find tree -type f -name '*.txt' | sort | head -3
find tree -type l | sort
find tree -xtype l
find -L tree -name 'f1*' | sort
find tree -empty | sort
find tree -size +10k
find tree -perm -100 -type f
find tree -newer tree/a/f1.txt -name nothing
find tree -links +1 -type f
find tree -depth -name sub | sort
find tree -samefile tree/empty
find tree -mindepth 2 -maxdepth 2 -type d | sort
find tree -path '*/sub/*' -prune -o -type f -print | wc -l
find tree -name 'f[12].txt' -printf '%f %s %y %d %m\n' | sort | uniq -c
find "$PWD/tree" -name f3.txt | sort
find tree -readable -writable -name empty
find tree -regex '.*/f[78].*' | sort
find tree -name 'f8.txt' -exec grep -H needle {} + | sort
find tree -name f7.txt -execdir cat {} \; | sort | uniq -c
find tree -name '.h8' -delete
find tree -name '.h*' | wc -l
find tree -name f6.txt -print0 | xargs -0 wc -l | sort
find tree -type d -name sub -exec rm -r {} +
find tree | wc -l
grep -r 'needle 5' tree | sort
grep -rl 'in b' tree | sort
grep -rc needle tree | sort | head -3
grep -rn 'file 1' tree | sort
grep -q needle tree/a/f1.txt && echo found
grep -L needle tree/a/* 2> /dev/null | sort
grep -w 8 tree/*/f8.txt | sort
grep -rz needle tree/zeros || echo none
grep -R 'in b' tree/a 2> /dev/null | wc -l
grep x tree 2>&1 || true
grep x tree/a/broken 2>&1 || true
grep -E -o 'needle [0-9]' tree/c/*.txt | sort | tail -1
grep -f tree/a/f1.txt tree/b/f1.txt
grep -v file < tree/a/f2.txt

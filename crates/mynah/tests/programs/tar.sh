# tar, cpio-like copies, compression, archives made and unpacked.
cd "$1"
mkdir -p src/sub/deep; for i in $(seq 30); do seq $((i * 50)) > src/sub/f$i; done; ln -s sub/f1 src/link; ln src/sub/f2 src/hard; chmod 640 src/sub/f3; : > src/empty; mkfifo src/fifo; printf 'x' > "src/odd name
with line"; printf 'y' > $'src/\xff\xfe'
touch -d @1000000000 src/sub/f4
long=$(printf 'n%.0s' $(seq 120))
mkdir -p src/$long
echo long > src/$long/$long
tar --sort=name --mtime=@1234567890 --owner=0 --group=0 --numeric-owner -cf all.tar src
md5sum all.tar
tar tf all.tar | md5sum
mkdir out
tar -C out -xpf all.tar
diff -r src out/src 2>&1 | grep -v fifo || echo same
stat -c '%n %a %s %h' out/src/sub/f3 out/src/hard
readlink out/src/link
tar -df all.tar 2>&1 | grep -v 'time\|differs' | head
tar -C out/src -cf - . | tar -C out -tf - | wc -l
tar czf all.tgz src
gzip -t all.tgz
tar tzf all.tgz | wc -l
tar cJf all.txz src 2> /dev/null && tar tJf all.txz | wc -l
tar -rf all.tar -C out src/empty
tar -tf all.tar | tail -1
tar --delete -f all.tar src/empty
tar tf all.tar | grep -c empty || true
tar -uf all.tar src/sub/f5
tar xOf all.tar src/sub/f1 | md5sum
tar -C out --keep-newer-files -xf all.tgz 2> /dev/null
tar --exclude='f*' -cf - src | tar tf - | wc -l
rm -r out/src
tar -C out --sparse -xf all.tgz src/sub
ls out/src/sub | wc -l
gzip -n9 src/sub/f30
zcat src/sub/f30.gz | tail -1
gunzip src/sub/f30.gz
bzip2 -k src/sub/f29 2> /dev/null && bunzip2 -c src/sub/f29.bz2 | md5sum
rm -f all.tgz all.txz src/sub/f29.bz2 all.tar
stat -c %Y src/sub/f4

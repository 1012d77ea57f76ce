# perl: file tests, in-place edits, directories, fork, pipes, tied to its own way of calling.
cd "$1"
perl -e '
    open F, ">", "a";
    print F "line $_\n" for 1..50;
    close F;
    print -s "a", " ", -e "none" ? "yes" : "no", " ", -d "." ? "dir" : "no", "\n"
'
perl -i -pe 's/line/LINE/' a
perl -i.orig -ne 'print unless /7/' a
perl -ne 'END { print "$.\n" }' a a.orig
perl -MFile::Find -MFile::Path=make_path,remove_tree -MFile::Copy -MCwd -e '
    make_path("x/y/z");
    copy("a", "x/y/a");
    move("x/y/a", "x/b");
    find(sub { print "$File::Find::name\n" if -f }, "x");
    chdir "x/y";
    print getcwd() eq "$ARGV[0]/x/y" ? "here\n" : getcwd() . "\n";
    chdir "../..";
    remove_tree("x");
    print -e "x" ? "left\n" : "gone\n"
' "$PWD"
perl -e '
    opendir D, ".";
    print join(" ", sort grep !/^\./, readdir D), "\n";
    rewinddir D;
    print scalar(() = readdir D), "\n";
    for (1..5) { unless (fork) { open F, ">>", "log"; syswrite F, "child\n"; exit 3 } } my $s = 0;
    while (wait > 0) { $s += $? >> 8 } print "$s\n";
    print `wc -l < log`;
    open P, "cat a |";
    my @l = <P>;
    close P;
    print scalar @l, "\n";
    open P, "| cat > piped";
    print P "x\n";
    close P;
    print -s "piped", "\n";
    rename "piped", "renamed" or die;
    symlink "renamed", "s";
    print readlink "s", "\n";
    link "s", "h";
    unlink "s", "h";
    utime 5, 6, "renamed";
    print((stat "renamed")[9], "\n");
    chmod 0600, "renamed";
    printf "%o\n", (stat _)[2] & 07777;
    truncate "renamed", 1;
    print -s "renamed", "\n";
    open F, "+<", "a";
    flock F, 2;
    seek F, 3, 0;
    read F, my $b, 4;
    print "$b\n";
    open N, "none" or print 0+$!, "\n";
    mkdir "a" or print 0+$!, "\n";
    rmdir "." or print 0+$!, "\n"
'
printf '#!/usr/bin/perl\nprint "script @ARGV\\n"; require "./lib.pl"; print lib(), "\\n";' > s.pl
echo 'sub lib { "from lib" } 1;' > lib.pl
chmod +x s.pl
./s.pl 1 2
perl s.pl
perl -I. -e 'do "./lib.pl"; print lib(), "\n"'
rm log
ls

# dash as /bin/sh, with its own ways to redirect.
cd "$1"
cat > run <<'END'
set -eu
echo first > out
exec 4> four; echo to four >&4; exec 4>&-; cat four
{ echo grouped; echo lines; } >> out
cat out
x=$(cat out | wc -l); echo $((x + 1))
(umask 077; : > private; ls -l private | cut -c1-10)
for f in *; do [ -f "$f" ] && echo "file $f"; done
mkdir d && cd d && pwd && cd .. && pwd -P
set -- $(ls); echo $#
read -r line < out; echo "$line"
sleep 0 & wait $!; echo "background $?"
cat <<X
here $x
X
if ./none 2> /dev/null; then echo odd; else echo "status $?"; fi
END
dash run

# bash: redirections, here documents, globs, jobs, substitutions, descriptors that it opens itself.
cd "$1"
echo one > a
echo two >> a
cat < a
cat a a > b 2>&1
wc -c < b
cat > here <<END
a here document in $PWD
END
cat here
rm here
mkdir -p d/e/f
cd d/e
pwd
cd ..
pwd
cd -
pwd
cd ../..
pwd
pushd d/e > /dev/null
dirs -l
popd > /dev/null
pwd
touch x1 x2 x3 'with space' .hidden
echo *
echo x?
echo .h*
echo d/*/*
shopt -s globstar
echo **
[ -e a ] && [ -f a ] && [ -d d ] && [ ! -e none ] && [ -s a ] && [ -r a ] && [ -w a ] && [ ! -x a ] && echo tests agree
[ a -ef ./a ] && echo same file
exec 3<> both
echo written >&3
exec 3>&-
cat both
exec 5< a
read -r first <&5
read -r second <&5
exec 5<&-
echo "$first $second"
while read -r line; do echo "line: $line"; done < a
(cd d; echo inside > sub; pwd)
cat d/sub
diff <(sort a) <(sort -r a) && echo alike || echo different
cat a | tr a-z A-Z | tee upper | wc -c
set -C
{ echo no > a; } 2> refused && echo overwritten || echo refused
set +C
wc -l < refused
echo more >| a
cat a
for i in 1 2 3 4; do (echo "job $i" > job$i) & done
wait
cat job*
coproc cat
echo through >&"${COPROC[1]}"
read -r back <&"${COPROC[0]}"
echo "$back"
eval "exec ${COPROC[1]}>&-"
wait
cat <<< "a here string"
printf '#!/bin/bash\necho script ran with $# arguments: "$@"\nexit 7\n' > script
chmod +x script
./script 1 'two words' || echo "status $?"
printf 'echo sourced\nvalue=set\n' > lib
. ./lib
echo "$value"
PATH=".:$PATH"
script || echo "status $?"
trap 'echo trapped; rm -f temporary' EXIT
: > temporary
./none || echo "status $?"
./a || echo "status $?"
./d || echo "status $?"
rm -r d
ls

# git: init, commit, branch, merge, clone, gc, fsck, worktree.
cd "$1"
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_AUTHOR_DATE="1700000000 +0000"
export GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org GIT_COMMITTER_DATE="1700000000 +0000"
export GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
git config --global init.defaultBranch main
git config --global safe.directory '*'
git config --global pack.threads 1
git config --global gc.auto 0
git config --global advice.detachedHead false
git init -q repo
cd repo
mkdir -p src/deep
for i in $(seq 40); do seq $i > src/f$i; done
echo x > src/deep/x
ln -s src/f1 link
printf '#!/bin/sh\necho run\n' > run
chmod +x run
git add -A
git status --short | wc -l
git commit -q -m first
git status --short
git log --format='%H %s'
git ls-files -s | md5sum
git checkout -q -b side
echo side >> src/f1
git mv src/f2 src/moved
git commit -q -am side
git checkout -q main
echo main >> src/f3
git commit -q -am main
git merge -q -m merged side
git log --graph --oneline | cat
git diff --stat HEAD~1
git show --stat HEAD~1 | tail -3
echo dirty > src/f5
git diff | tail -1
git stash -q
git diff
git stash pop -q
git diff --name-only
git checkout -q src/f5
git rm -q src/f6
git reset -q --hard
ls src | wc -l
git tag -a -m tagged v1
git describe
git rebase -q HEAD~1 side 2>&1 | head -2
git checkout -q main
git clone -q . ../clone
git clone -q --bare . ../bare.git
git -C ../clone log --oneline | head -1
cd ../clone
echo more >> src/f9
git commit -q -am more
git push -q ../bare.git main
cd ../repo
git pull -q ../clone main
git log --oneline | head -1
git gc -q --prune=now
git fsck --full 2>&1
git count-objects -v | grep -E 'packs|in-pack|^count'
git repack -qad
git verify-pack .git/objects/pack/*.idx && echo verified
git worktree add -q ../tree side
git -C ../tree status --short
git worktree list | wc -l
git archive HEAD | tar tf - | wc -l
git grep -n main -- src | head -2
git blame -s src/f3 | tail -1
git clean -fdxq
git rev-parse HEAD
git bisect start HEAD HEAD~1 > /dev/null
git bisect reset > /dev/null 2>&1
git submodule -q add ../bare.git sub 2> /dev/null || echo refused
git -C ../bare.git rev-parse main
cd ..
ls repo | md5sum
git -C clone fsck --full
git -C bare.git fsck --full
# The index holds times and inode numbers, the logs are kept apart: what is compared is the working trees.
rm -rf clone bare.git tree/.git repo/.git

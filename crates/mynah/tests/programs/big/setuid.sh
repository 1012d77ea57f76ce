# Set-user-id programs run, with their caller's identity under Mynah as after no_new_privs everywhere (see the guide).
cd "$1"
su --version > version
grep -c '^su from' version
mount --version | cut -d' ' -f 1
passwd --help | head -1
chsh --version 2> /dev/null | cut -d' ' -f 1
rm version

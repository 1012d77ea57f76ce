# bubblewrap: namespaces of its own round a program, the directory bound into it where it is this machine's.
cd "$1"
echo outside > f
box() { bwrap --unshare-user --unshare-pid --unshare-ipc --unshare-uts --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp "$@"; }
box --hostname boxed sh -c 'hostname; id -u; echo "pid $$"; ls /; touch /usr/x 2> /dev/null || echo read-only; echo in > /tmp/x && cat /tmp/x'
box --uid 0 --gid 0 --unshare-net sh -c 'id -u; ls /sys 2>&1 | head -1; cat /proc/net/dev | wc -l'
box --die-with-parent sh -c 'exit 6' || echo "status $?"
box --seccomp 9 true 9< /dev/null 2> /dev/null || echo refused
box sh -c 'cat' < f
box sh -c 'for i in 1 2 3; do sh -c "exit $i" || echo $?; done; sleep 0.1 & wait; find /usr/share/doc -maxdepth 1 2> /dev/null | head -1'

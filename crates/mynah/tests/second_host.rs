//! Somebody else writes to the same server: what they closed is what the next open sees. With our own server, whose times are
//! as fine as its kernel's, and with the ancestor's, whose times are whole seconds.

mod site;

use std::fs;
use std::thread;

use mynah_testkit::run::{Ended, run};
use mynah_testkit::serving::Serving;
use site::{LIMIT, Site, assert_ended};

const SERVERS: [fn(&Site) -> Serving; 2] = [Site::serve, Site::serve_standard];

/// Runs `script` in a mount, with `$home` the directory that is served: who writes there is another host to this Mynah.
fn beside_another_host(name: &str, script: &str, expected: &str) {
    for serve in SERVERS {
        let site = Site::new(name);
        let serving = serve(&site);
        let home = site.join("served");
        let whole = format!("set -e; home={}; cd {}; {script}", home.display(), serving.mount().display());
        let outcome = site.shell(&[], &whole);
        assert_ended(&outcome, Ended::Exit(0));
        assert_eq!(outcome.out(), expected, "{script}");
    }
}

fn numbers(from: u32, to: u32) -> String {
    (from..=to).map(|number| format!("{number}\n")).collect()
}

#[test]
fn what_another_host_closed_is_read() {
    // All of the same size, and several in each second.
    let script = "for i in $(seq 100 150); do echo $i > $home/f; cat f; done";
    beside_another_host("closed", script, &numbers(100, 150));
}

#[test]
fn what_another_host_puts_over_ones_own_is_read() {
    let script = "for i in $(seq 100 120); do echo 0$i > f; echo 1$i > $home/f; cat f; done";
    beside_another_host("over", script, &numbers(1100, 1120));
}

#[test]
fn a_change_that_keeps_size_and_time_is_seen() {
    let script = "for i in $(seq 100 110); do echo $i > $home/f; touch -d @1000000000 $home/f; cat f; done; \
                  for i in $(seq 111 120); do echo $i > $home/g; touch -d @1000000000 $home/g; \
                  mv $home/g $home/f; cat f; done";
    beside_another_host("kept", script, &numbers(100, 120));
}

#[test]
fn a_big_file_that_changes_in_its_middle_is_seen() {
    let script = "head -c 3000000 /dev/zero > $home/f; for i in $(seq 100 110); do \
                  printf $i | dd of=$home/f bs=1 seek=2000000 conv=notrunc 2>/dev/null; \
                  tail -c +2000001 f | head -c 3; echo; done";
    beside_another_host("big", script, &numbers(100, 110));
}

#[test]
fn whoever_has_it_open_keeps_what_was_opened() {
    // What is appended goes home alone, and leaves what another wrote before it.
    let script = "echo first > f; exec 3< f; echo other > $home/f; cat f; cat <&3; \
                  exec 4>> f; echo third > $home/f; cat f; echo more >&4; exec 4>&-; cat f";
    beside_another_host("open", script, "other\nfirst\nthird\nthird\nmore\n");
}

#[test]
fn threads_that_append_to_one_file_lose_nothing() {
    let program = "import os, threading\n\
                   def work():\n\
                   \x20   for _ in range(20):\n\
                   \x20       fd = os.open('f', os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)\n\
                   \x20       os.write(fd, b'x')\n\
                   \x20       os.close(fd)\n\
                   threads = [threading.Thread(target=work) for _ in range(8)]\n\
                   for thread in threads: thread.start()\n\
                   for thread in threads: thread.join()\n\
                   print(os.stat('f').st_size)\n";
    let script = format!("cat > program.py <<'end'\n{program}end\npython3 program.py; wc -c < $home/f");
    beside_another_host("threads", &script, "160\n160\n");
}

#[test]
fn two_hosts_take_turns() {
    for serve in SERVERS {
        let site = Site::new("turns");
        let serving = serve(&site);
        // Each adds a line when it sees the other's.
        let script = "cd $0; me=$1; other=$2; n=0; while [ $n -lt 15 ]; do n=$((n + 1)); \
                      while [ \"$(tail -n 1 turn)\" != \"$other $((n - 1 + $3))\" ]; do sleep 0.01; done; \
                      echo $me $n >> turn; done";
        site.file("served/turn", "b 0\n");
        let mount = serving.mount().display().to_string();
        let host = |words: [&str; 3]| {
            let words: Vec<&str> = ["/bin/sh", "-c", script, &mount].into_iter().chain(words).collect();
            let mut command = site.mynah(&[], &words);
            thread::spawn(move || run(&mut command, LIMIT).expect("mynah runs"))
        };
        let hosts = [host(["a", "b", "0"]), host(["b", "a", "1"])];
        for host in hosts {
            assert_ended(&host.join().expect("a thread"), Ended::Exit(0));
        }
        let expected: String = (1..=15).map(|n| format!("a {n}\nb {n}\n")).collect();
        assert_eq!(fs::read_to_string(site.join("served/turn")).expect("a file"), format!("b 0\n{expected}"));
    }
}

//! Somebody else writes to the same server: what they closed is what the next open sees.

mod site;

use mynah_testkit::run::{Ended, run};
use site::{LIMIT, Site, assert_ended};

/// Runs `script` in a mount, with `$home` the directory that is served: who writes there is another host to this Mynah.
fn beside_another_host(name: &str, script: &str) -> String {
    let site = Site::new(name);
    let serving = site.serve();
    let whole = format!("home={}; cd {} && {script}", site.join("served").display(), serving.mount().display());
    let outcome = site.shell(&[], &whole);
    assert_ended(&outcome, Ended::Exit(0));
    outcome.out()
}

fn numbers(from: u32, to: u32) -> String {
    (from..=to).map(|number| format!("{number}\n")).collect()
}

#[test]
fn what_another_host_closed_is_read() {
    // All of the same size, and several in each second.
    let script = "for i in $(seq 100 160); do echo $i > $home/f; cat f; done";
    assert_eq!(beside_another_host("closed", script), numbers(100, 160));
}

#[test]
fn what_another_host_puts_over_ones_own_is_read() {
    let script = "for i in $(seq 100 130); do echo 0$i > f; echo 1$i > $home/f; cat f; done";
    assert_eq!(beside_another_host("over", script), numbers(1100, 1130));
}

#[test]
fn a_change_that_keeps_size_and_time_is_seen() {
    let script = "for i in $(seq 100 110); do echo $i > $home/f; touch -d @1000000000 $home/f; cat f; done; \
                  for i in $(seq 111 120); do echo $i > $home/g; touch -d @1000000000 $home/g; mv $home/g $home/f; cat f; done";
    assert_eq!(beside_another_host("kept", script), numbers(100, 120));
}

#[test]
fn a_big_file_that_changes_in_its_middle_is_seen() {
    let script = "head -c 3000000 /dev/zero > $home/f; \
                  for i in $(seq 100 110); do printf $i | dd of=$home/f bs=1 seek=2000000 conv=notrunc 2>/dev/null; \
                  tail -c +2000001 f | head -c 3; echo; done";
    assert_eq!(beside_another_host("big", script), numbers(100, 110));
}

#[test]
fn whoever_has_it_open_keeps_what_was_opened() {
    let script = "echo first > f; exec 3< f; echo other > $home/f; cat f; cat <&3; \
                  exec 4>> f; echo third > $home/f; cat f; echo more >&4; exec 4>&-; cat f";
    assert_eq!(beside_another_host("open", script), "other\nfirst\nthird\nthird\nmore\n");
}

#[test]
fn two_hosts_take_turns() {
    let site = Site::new("turns");
    let serving = site.serve();
    // Each adds a line when it sees the other's.
    let script = "cd $0; me=$1; other=$2; n=0; while [ $n -lt 20 ]; do n=$((n + 1)); \
                  while ! tail -n 1 turn 2>/dev/null | grep -q \"^$other $(($n - 1 + ${3}))$\"; do sleep 0.01; done; \
                  echo $me $n >> turn; done";
    site.file("served/turn", "b 0\n");
    let mount = serving.mount();
    let host = |words: [&str; 3]| {
        let mut command =
            site.mynah(&[], &["/bin/sh", "-c", script, mount.to_str().expect("UTF-8"), words[0], words[1], words[2]]);
        std::thread::spawn(move || run(&mut command, LIMIT).expect("mynah runs"))
    };
    let hosts = [host(["a", "b", "0"]), host(["b", "a", "1"])];
    for host in hosts {
        assert_ended(&host.join().expect("a thread"), Ended::Exit(0));
    }
    let expected: String = (1..=20).map(|n| format!("a {n}\nb {n}\n")).collect();
    assert_eq!(std::fs::read_to_string(site.join("served/turn")).expect("a file"), format!("b 0\n{expected}"));
}

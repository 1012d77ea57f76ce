//! A person at a terminal: the same dialogue with a shell natively, and under Mynah in a local directory and in one of a server.

mod site;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use mynah_testkit::oracle::Leg;
use mynah_testkit::run::{Identity, wait_until};
use mynah_testkit::serving::Serving;
use mynah_testkit::terminal::{INTERRUPT, QUIT, SUSPEND, Terminal};
use rustix::process::Pid;

use site::{LIMIT, Site};

const LEGS: [Leg; 3] = [Leg::Native, Leg::Local, Leg::Chirp];

/// Takes the terminal as soon as it has said so, until a signal comes.
const SLEEPER: &str = "sh -c 'echo beg\"\"un; exec sleep 1000'\n";

/// A bash on a terminal, in an empty directory.
struct Dialogue {
    leg: Leg,
    terminal: Terminal,
    shell: Child,
    /// Where its directory really is.
    directory: PathBuf,
    _serving: Serving,
    _site: Site,
}

impl Dialogue {
    fn start(name: &str, leg: Leg) -> Dialogue {
        let site = Site::new(&format!("{name}-{leg}"));
        let serving = site.serve();
        let (directory, seen) = match leg {
            Leg::Native | Leg::Local | Leg::Shown => (site.join("local"), site.join("local")),
            Leg::Chirp => (site.join("served"), serving.mount()),
        };
        let bash = ["bash", "--norc", "--noprofile", "-i"];
        let mut command = match leg {
            Leg::Native => Command::new(bash[0]),
            Leg::Local | Leg::Shown | Leg::Chirp => Command::new(site.mynah_path()),
        };
        if leg == Leg::Native {
            command.args(&bash[1..]);
        } else {
            command.arg("run").arg("--cache-dir").arg(site.join("cache")).arg("--").args(bash);
        }
        command.env("PS1", "ready> ").env("TERM", "xterm").env("LC_ALL", "C.UTF-8").env("HISTFILE", "");
        // What an ordinary user has for a shell in the machine's own table may be none.
        command.env("SHELL", "/bin/bash");
        command.env("HOME", site.join("home")).env("TMUX_TMPDIR", site.join("temporary"));
        let terminal = Terminal::open().expect("a terminal");
        terminal.resize(24, 80).expect("a size");
        let shell = terminal.start_as(&command, Identity::Ordinary).expect("bash starts");
        let mut dialogue = Dialogue { leg, terminal, shell, directory, _serving: serving, _site: site };
        dialogue.sees("ready> ");
        dialogue.says(&format!("cd {} && echo th\"\"ere\n", seen.display()), "there");
        dialogue.sees("ready> ");
        dialogue
    }

    #[track_caller]
    fn types(&self, keys: impl AsRef<[u8]>) {
        self.terminal.type_in(keys.as_ref()).expect("it takes what is typed");
    }

    /// What is waited for must not stand in what was typed, which the terminal shows too.
    #[track_caller]
    fn sees(&mut self, text: &str) {
        if let Err(cause) = self.terminal.wait_for(text, LIMIT) {
            panic!("{}: {cause}", self.leg);
        }
    }

    #[track_caller]
    fn says(&mut self, keys: &str, answer: &str) {
        self.types(keys);
        self.sees(answer);
    }

    #[track_caller]
    fn ends_with(mut self, status: i32) {
        self.types(format!("exit {status}\n"));
        let deadline = Instant::now() + LIMIT;
        if !wait_until(Pid::from_child(&self.shell), deadline).expect("a wait") {
            self.sees("the end");
        }
        assert_eq!(self.shell.wait().expect("bash ends").code(), Some(status));
        assert!(self.terminal.is_usable().expect("its modes"), "it is left in another mode");
    }
}

#[test]
fn job_control() {
    for leg in LEGS {
        let mut dialogue = Dialogue::start("jobs", leg);
        for (key, status) in [(INTERRUPT, "st=130"), (QUIT, "st=131")] {
            dialogue.says(SLEEPER, "begun");
            dialogue.types(key);
            dialogue.sees("ready> ");
            dialogue.says("echo s\"\"t=$?\n", status);
        }
        let shell = dialogue.terminal.foreground().expect("a group");
        dialogue.says(SLEEPER, "begun");
        dialogue.types(SUSPEND);
        dialogue.sees("Stopped");
        dialogue.sees("ready> ");
        dialogue.says("bg; jobs\n", "Running");
        dialogue.types("fg; echo s\"\"t=$?\n");
        let deadline = Instant::now() + LIMIT;
        while dialogue.terminal.foreground().expect("a group") == shell {
            assert!(Instant::now() < deadline, "{leg}: the job does not come to the foreground");
            std::thread::sleep(Duration::from_millis(10));
        }
        dialogue.types(INTERRUPT);
        dialogue.sees("ready> ");
        dialogue.ends_with(3);
    }
}

#[test]
fn line_editing() {
    for leg in LEGS {
        let mut dialogue = Dialogue::start("editing", leg);
        dialogue.says("printf 'con%s\\n' tent > a_long_name; mkdir a_directory; echo ma\"\"de\n", "made");
        dialogue.says("cat a_lo\t\n", "content");
        dialogue.says("\x1b[A\n", "content");
        dialogue.says("echo > a_dir\tinside; ls a_directory | tr a-z A-Z\n", "INSIDE");
        dialogue.ends_with(0);
    }
}

#[test]
fn another_size() {
    for leg in LEGS {
        let mut dialogue = Dialogue::start("size", leg);
        let script =
            "bash -c 'trap \"stty size; exit\" WINCH; echo wai\"\"ting; while :; do sleep 0.1; done'\n";
        dialogue.says(script, "waiting");
        dialogue.terminal.resize(40, 100).expect("another size");
        dialogue.sees("40 100");
        dialogue.ends_with(0);
    }
}

#[test]
fn vim_edits_a_file() {
    for leg in LEGS {
        let mut dialogue = Dialogue::start("vim", leg);
        // What it reads at its start would differ from one machine to the next.
        dialogue.says("vim -u NONE -N -i NONE text\n", "[New");
        dialogue.types("ihello world\x1b:w\r");
        dialogue.sees("written");
        assert!(dialogue.directory.join(".text.swp").exists(), "{leg}: no swap file");
        dialogue.types(":au VimResized * call setline(2, &columns) | wq\r");
        dialogue.types("yyp:1\r");
        dialogue.types(":echo 'rea' . 'dy'\r");
        dialogue.sees("ready");
        dialogue.terminal.resize(40, 100).expect("another size");
        dialogue.sees("ready> ");
        dialogue.says("cat te\"\"xt; echo do\"\"ne\n", "done");
        assert_eq!(text_of(&dialogue.directory.join("text")), "hello world\n100\n", "{leg}");
        assert!(!dialogue.directory.join(".text.swp").exists(), "{leg}: the swap file is left behind");
        dialogue.says("vim -u NONE -N -i NONE text\n", "hello world");
        dialogue.types("dd:w other\r:q!\r");
        dialogue.sees("ready> ");
        dialogue.says("echo do\"\"ne\n", "done");
        assert_eq!(text_of(&dialogue.directory.join("other")), "100\n", "{leg}");
        dialogue.ends_with(0);
    }
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).expect("a file")
}

#[test]
fn tmux_keeps_a_shell() {
    for leg in LEGS {
        let mut dialogue = Dialogue::start("tmux", leg);
        // By default keys that come faster than a person types are no commands.
        let settings = "set -g assume-paste-time 0\nset -g default-command 'exec env PS1=\"pane> \" bash --norc --noprofile'\n";
        fs::write(dialogue.directory.join("tmux.conf"), settings).expect("a file");
        dialogue.says("tmux -f tmux.conf new-session\n", "pane> ");
        dialogue.says("kept=4; echo fi\"\"rst > first; echo $((kept * 10 + 2))\n", "42");
        // A second pane, and back.
        dialogue.types("\x02\"");
        dialogue.sees("pane> ");
        dialogue.says("echo second > second; echo $((500 + 55))\n", "555");
        dialogue.says("\x02x", "kill-pane");
        dialogue.types("y");
        dialogue.types("\x02d");
        dialogue.sees("[detached");
        dialogue.sees("ready> ");
        dialogue.says("cat first second; tmux list-sessions | tr a-z A-Z\n", "WINDOWS");
        dialogue.says("tmux attach\n", "pane> ");
        dialogue.says("echo $((kept * 1000 + 99))\n", "4099");
        dialogue.types("exit\n");
        dialogue.sees("[exited]");
        dialogue.says("echo do\"\"ne\n", "done");
        assert_eq!(text_of(&dialogue.directory.join("second")), "second\n", "{leg}");
        dialogue.ends_with(0);
    }
}

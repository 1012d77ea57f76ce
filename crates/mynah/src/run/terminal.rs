//! The terminal's modes: put back if a program dies in the middle of changing them.

use rustix::fs::{self, Mode, OFlags};
use rustix::termios::{self, OptionalActions, Termios};
use std::os::fd::OwnedFd;

/// The terminal and how it was set.
pub(super) struct Terminal {
    fd: OwnedFd,
    modes: Termios,
}

impl Terminal {
    /// The controlling terminal, if there is one.
    pub(super) fn note() -> Option<Terminal> {
        let fd = fs::open("/dev/tty", OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let modes = termios::tcgetattr(&fd).ok()?;
        Some(Terminal { fd, modes })
    }

    /// Sets it as it was.
    pub(super) fn restore(&self) {
        // A terminal that is gone needs nothing.
        let _ = termios::tcsetattr(&self.fd, OptionalActions::Now, &self.modes);
    }
}

//! What watcher and host tell each other. The end of either shows as the end of the stream.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// One thing told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Host: the program stopped by this signal.
    Stopped(i32),
    /// Host: everything is done; end with this status.
    Ended {
        /// The exit status.
        status: u8,
        /// Whether the program or Mynah came to a violent end, so that the terminal may be in disorder.
        violently: bool,
    },
    /// Watcher: pass this signal to the program.
    Signal(i32),
}

/// A kind and a number: five bytes.
const MESSAGE_BYTES: usize = 5;

/// One end.
pub(super) struct Control(UnixStream);

/// Two ends, each close-on-exec.
pub(super) fn pair() -> io::Result<(Control, Control)> {
    let (one, other) = UnixStream::pair()?;
    Ok((Control(one), Control(other)))
}

impl Control {
    /// Tells the other side. If it is gone there is nobody to tell, which its own end shows.
    pub(super) fn tell(&self, message: Message) {
        let (kind, number) = match message {
            Message::Stopped(signal) => (b'S', signal),
            Message::Ended { status, violently: false } => (b'E', i32::from(status)),
            Message::Ended { status, violently: true } => (b'V', i32::from(status)),
            Message::Signal(signal) => (b'K', signal),
        };
        let mut bytes = [0; MESSAGE_BYTES];
        bytes[0] = kind;
        bytes[1..].copy_from_slice(&number.to_ne_bytes());
        let _ = (&self.0).write_all(&bytes);
    }

    /// Waits for what the other side tells. `None` when it is gone.
    pub(super) fn hear(&self) -> Option<Message> {
        let mut bytes = [0; MESSAGE_BYTES];
        (&self.0).read_exact(&mut bytes).ok()?;
        let number = i32::from_ne_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
        match bytes[0] {
            b'S' => Some(Message::Stopped(number)),
            b'E' => Some(Message::Ended { status: number as u8, violently: false }),
            b'V' => Some(Message::Ended { status: number as u8, violently: true }),
            b'K' => Some(Message::Signal(number)),
            _ => None,
        }
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

//! The server's end of one connection: lines and data in, replies out.

use crate::proto::line;
use bytes::{Buf, Bytes, BytesMut};
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How much is asked of the socket at once when no length is known.
const READ_CHUNK: usize = 16 << 10;
/// Replies are gathered up to this size while requests are at hand.
const FLUSH_AT: usize = 64 << 10;
/// Data up to this size is copied behind its number; more goes to the socket from where it lies.
const COPY_MAX: usize = 16 << 10;

/// A connection with its two buffers, which are kept from request to request.
pub(super) struct Wire {
    stream: TcpStream,
    input: BytesMut,
    /// Replies that have not been sent yet; whoever answers appends here.
    pub(super) out: Vec<u8>,
    /// Bytes of data that belong to the current request and have not been taken yet.
    announced: u64,
    stall: Duration,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, stall: Duration) -> Wire {
        Wire { stream, input: BytesMut::new(), out: Vec::new(), announced: 0, stall }
    }

    /// The next line, waited for no longer than `idle`; `None` if the peer has hung up. What has been answered is sent before waiting.
    pub(super) async fn line(&mut self, max: usize, idle: Duration) -> io::Result<Option<Bytes>> {
        loop {
            let taken = line::take_without_returns(&mut self.input, max);
            if let Some(line) = taken.map_err(|bad| io::Error::new(io::ErrorKind::InvalidData, bad))? {
                return Ok(Some(line));
            }
            // The time for the first byte of a request is the idle time, that for the rest of it the stall time.
            let patience = if self.input.is_empty() { idle } else { self.stall };
            if self.fill(READ_CHUNK, patience).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Says that `len` bytes of data follow the line that was read.
    pub(super) fn announce(&mut self, len: u64) {
        self.announced = len;
    }

    /// How much announced data has not been taken.
    pub(super) fn announced(&self) -> u64 {
        self.announced
    }

    /// The next `max` bytes of announced data, or what is left of it.
    pub(super) async fn data(&mut self, max: usize) -> io::Result<Bytes> {
        let len = usize::try_from(self.announced).unwrap_or(usize::MAX).min(max);
        while self.input.len() < len {
            self.fill_some(len - self.input.len()).await?;
        }
        self.announced -= len as u64;
        Ok(self.input.split_to(len).freeze())
    }

    /// Passes over what is left of the announced data.
    pub(super) async fn swallow(&mut self) -> io::Result<()> {
        while self.announced > 0 {
            if self.input.is_empty() {
                self.fill_some(READ_CHUNK).await?;
            }
            let len = self.announced.min(self.input.len() as u64);
            // Not more than the length of the buffer, so it fits.
            self.input.advance(len as usize);
            self.announced -= len;
        }
        Ok(())
    }

    /// Appends data to the reply.
    pub(super) async fn send(&mut self, data: Bytes) -> io::Result<()> {
        if data.len() <= COPY_MAX {
            self.out.extend_from_slice(&data);
            return Ok(());
        }
        let stall = self.stall;
        let mut both = Buf::chain(&self.out[..], data);
        while both.has_remaining() {
            within(stall, self.stream.write_buf(&mut both)).await?;
        }
        self.out.clear();
        Ok(())
    }

    /// Sends what has been gathered if it is much.
    pub(super) async fn flush_if_full(&mut self) -> io::Result<()> {
        if self.out.len() >= FLUSH_AT { self.flush().await } else { Ok(()) }
    }

    /// Sends what has been gathered.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        let mut rest = &self.out[..];
        while !rest.is_empty() {
            let sent = within(self.stall, self.stream.write(rest)).await?;
            rest = &rest[sent..];
        }
        self.out.clear();
        Ok(())
    }

    async fn fill_some(&mut self, want: usize) -> io::Result<()> {
        match self.fill(want, self.stall).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn fill(&mut self, want: usize, patience: Duration) -> io::Result<usize> {
        self.flush().await?;
        self.input.reserve(want.max(READ_CHUNK));
        within(patience, self.stream.read_buf(&mut self.input)).await
    }
}

async fn within<T>(patience: Duration, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(patience, step).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

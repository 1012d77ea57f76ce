//! One connection: requests in, answers out, in step whatever happens.

use super::auth::{self, Subject};
use super::files::Files;
use super::wire::Wire;
use super::{Shared, names};
use crate::proto::reply::{self, Hello};
use crate::proto::{Dialect, EXTENSION_VERSION, Request, request::BadRequest, stat};
use bytes::Bytes;
use mynah_vfs::{Errno, Error, FsStat, Stat, Time};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;

/// By when a connection has to be authenticated: those that are not would take the places of those that are.
const LOGIN_MAX: Duration = Duration::from_secs(30);

/// What a request comes to.
pub(super) enum Answer {
    /// A number.
    Value(i64),
    /// A number and attributes.
    Stat(i64, Stat),
    /// Figures of a file system.
    FsStat(FsStat),
    /// Bytes.
    Bytes(Bytes),
    /// The reply has been sent by whoever acted.
    Sent,
}

/// `0`.
pub(super) const DONE: Answer = Answer::Value(0);

/// Why a request comes to nothing.
pub(super) enum Fault {
    /// It is answered with an error.
    Refused(Error),
    /// The connection is of no more use.
    Broken(io::Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Refused(error)
    }
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Fault {
        Fault::Refused(errno.into())
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::Broken(error)
    }
}

/// What an action on a connection gives.
pub(super) type Acted = Result<Answer, Fault>;

/// A connection after authentication.
pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) wire: Wire,
    pub(super) dialect: Dialect,
    pub(super) files: Files,
    subject: Subject,
}

/// Serves a connection up to its end.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut wire = Wire::new(stream, shared.config.stall);
    let login = auth::authenticate(&mut wire, &shared.config);
    let login =
        tokio::time::timeout(LOGIN_MAX, login).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let Some(subject) = login? else { return Ok(()) };
    tracing::debug!(%peer, subject = subject.name, owner = subject.owner, "authenticated");
    let files = Files::default();
    Connection { shared, wire, dialect: Dialect::Standard, files, subject }.run().await
}

impl Connection {
    async fn run(&mut self) -> io::Result<()> {
        const HANG_UP: u8 = 4;
        while let Some(line) = self.wire.line(self.dialect.line_max(), self.shared.config.idle).await? {
            match line.first() {
                None => continue,
                Some(&HANG_UP) => break,
                Some(_) => {}
            }
            match Request::decode(&line, self.dialect) {
                Ok(request) => self.answer(&request).await?,
                Err(bad) => {
                    self.refuse_line(&line, bad);
                    if bad.out_of_step() {
                        break;
                    }
                }
            }
            self.wire.flush_if_full().await?;
        }
        self.wire.flush().await
    }

    fn refuse_line(&mut self, line: &[u8], bad: BadRequest) {
        tracing::debug!(line = %line.escape_ascii(), ?bad, "not a request");
        reply::error(bad.errno(), self.dialect, &mut self.wire.out);
    }

    /// Acts and replies. Data that was announced is taken off the connection whatever became of the request.
    async fn answer(&mut self, request: &Request) -> io::Result<()> {
        self.wire.announce(request.data_len().unwrap_or(0));
        let acted = if self.may(request) { self.act(request).await } else { Err(Errno::EACCES.into()) };
        self.wire.swallow().await?;
        let out = &mut self.wire.out;
        match acted {
            Ok(Answer::Value(value)) => reply::value(value, out),
            Ok(Answer::Stat(value, found)) => {
                reply::value(value, out);
                stat::encode(&found, self.dialect, out);
            }
            Ok(Answer::FsStat(found)) => {
                reply::value(0, out);
                stat::encode_fs(&found, out);
            }
            Ok(Answer::Bytes(bytes)) => {
                reply::value(i64::try_from(bytes.len()).unwrap_or(i64::MAX), out);
                self.wire.send(bytes).await?;
            }
            Ok(Answer::Sent) => {}
            Err(Fault::Refused(error)) => {
                tracing::debug!(subject = self.subject.name, ?request, %error, "refused");
                reply::error(error.errno(), self.dialect, out);
            }
            Err(Fault::Broken(error)) => return Err(error),
        }
        Ok(())
    }

    /// The owner has all rights; others may ask who they are.
    fn may(&self, request: &Request) -> bool {
        self.subject.owner || matches!(request, Request::Whoami { .. } | Request::Mynah { .. })
    }

    async fn act(&mut self, request: &Request) -> Acted {
        match request {
            Request::Mynah { version } => self.hello(*version),
            Request::Whoami { length } => self.whoami(*length),
            Request::Getacl { path } => self.getacl(path).await,
            Request::Getdir { path } => self.getdir(path).await,
            Request::Getlongdir { path } => self.getlongdir(path).await,
            Request::Getfile { path } => self.getfile(path).await,
            Request::Putfile { path, mode, length } => self.putfile(path, *mode, *length).await,
            Request::Setxattr { path, name, size, flags } => {
                self.setxattr(path, name, *size, *flags, names::xattr_last(self.dialect)).await
            }
            Request::Lsetxattr { path, name, size, flags } => {
                self.setxattr(path, name, *size, *flags, super::resolve::Last::Keep).await
            }
            _ => match self.act_on_file(request).await {
                Some(acted) => acted,
                None => names::act(&*self.shared.driver, self.dialect, request).await,
            },
        }
    }

    /// Agrees on the extended dialect. The reply is still in the form that was spoken before, which is the same for it.
    fn hello(&mut self, version: i64) -> Acted {
        if version < 1 {
            return Err(Errno::EINVAL.into());
        }
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let sec = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        let hello = Hello {
            version: version.min(EXTENSION_VERSION),
            now: Time { sec, nsec: since.subsec_nanos() },
            instance: self.shared.config.instance.clone(),
        };
        reply::hello(&hello, &mut self.wire.out);
        self.dialect = Dialect::Extended;
        Ok(Answer::Sent)
    }

    fn whoami(&self, length: i64) -> Acted {
        let name = self.subject.name.as_bytes();
        let length = usize::try_from(length).map_err(|_| Errno::EINVAL)?.min(name.len());
        Ok(Answer::Bytes(Bytes::copy_from_slice(&name[..length])))
    }

    /// The one rule there is: the owner may do everything.
    async fn getacl(&mut self, path: &crate::proto::Path) -> Acted {
        let place = self.place(path, super::resolve::Last::Follow).await?;
        self.shared.driver.lstat(&place).await?;
        reply::value(0, &mut self.wire.out);
        self.wire.out.extend_from_slice(format!("{} rwldpax\n\n", self.subject.name).as_bytes());
        Ok(Answer::Sent)
    }

    /// See [`super::resolve::resolve`].
    pub(super) async fn place(
        &self,
        path: &crate::proto::Path,
        last: super::resolve::Last,
    ) -> mynah_vfs::Result<mynah_vfs::VPath> {
        super::resolve::resolve(&*self.shared.driver, path, self.dialect, last).await
    }
}

//! The hostile peers do what they say, and nothing else.

use mynah_testkit::hostile_driver::{self, Call, HostileDriver};
use mynah_testkit::hostile_server::{self, Dialect, HostileServer};
use mynah_vfs::{Driver, FileKind, MemDriver, OpenHow, VPath, check_name};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

async fn driver(malice: &[hostile_driver::Malice]) -> HostileDriver {
    let honest = MemDriver::new();
    hostile_driver::furnish(&honest).await.expect("an empty driver in memory");
    HostileDriver::over(Arc::new(honest), malice)
}

#[tokio::test]
async fn each_malice_of_the_driver_shows() {
    use hostile_driver::Malice;
    let (root, file, link) = (VPath::root(), VPath::root().child(b"file"), VPath::root().child(b"link"));

    let honest = driver(&[]).await;
    assert_eq!(honest.list(&root).await.unwrap().len(), 3);
    assert_eq!(honest.lstat(&file).await.unwrap().size, 8);
    assert_eq!(honest.readlink(&link).await.unwrap(), b"file");

    let names = driver(&[Malice::BadNames, Malice::DuplicateNames]).await.list(&root).await.unwrap();
    assert_eq!(names.iter().filter(|entry| entry.name == b"file").count(), 2);
    assert!(names.iter().any(|entry| check_name(&entry.name).is_err()));
    assert_eq!(driver(&[Malice::ManyNames(70_000)]).await.list(&root).await.unwrap().len(), 70_003);

    let odd = driver(&[Malice::AbsurdSizes, Malice::SetIdModes, Malice::Devices, Malice::OneId]).await;
    let stat = odd.lstat(&file).await.unwrap();
    assert_eq!((stat.size, stat.mode, stat.kind, stat.id.0), (u64::MAX, 0o7777, FileKind::BlockDevice, 1));
    let changing = driver(&[Malice::ChangingIds]).await;
    assert_ne!(changing.lstat(&file).await.unwrap().id, changing.lstat(&file).await.unwrap().id);

    let out = driver(&[Malice::LinkText(b"/etc/passwd".to_vec())]).await;
    assert_eq!(out.readlink(&link).await.unwrap(), b"/etc/passwd");

    let read = OpenHow { read: true, ..OpenHow::default() };
    for (malice, len) in [(Malice::ShortReads, 7), (Malice::LongReads, 100 + 4096)] {
        let opened = driver(&[malice]).await.open(&file, read).await.unwrap();
        assert_eq!(opened.file.read_at(0, 100).await.unwrap().len(), len);
    }

    let hanging = driver(&[Malice::Hangs(Call::Lstat)]).await;
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(hanging.lstat(&file).as_mut().poll(&mut context), Poll::Pending));
    assert!(hanging.list(&root).await.is_ok());
}

/// A client of few words.
struct Client {
    input: BufReader<TcpStream>,
    output: TcpStream,
}

impl Client {
    fn connect(server: &HostileServer) -> Client {
        let output = TcpStream::connect(("127.0.0.1", server.port())).expect("the server listens");
        let input = BufReader::new(output.try_clone().expect("a second handle"));
        Client { input, output }
    }

    fn ask(&mut self, request: &str) -> String {
        self.output.write_all(request.as_bytes()).expect("an open connection");
        self.line()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.input.read_line(&mut line).expect("a reply");
        line
    }

    fn authenticated(server: &HostileServer) -> Client {
        let mut client = Client::connect(server);
        assert_eq!(client.ask("unix\n"), "no\n");
        assert_eq!(client.ask("address\n"), "yes\n");
        let rest: Vec<String> = (0..4).map(|_| client.line()).collect();
        assert_eq!(rest, ["yes\n", "yes\n", "address\n", "127.0.0.1\n"]);
        client
    }
}

#[test]
fn without_malice_the_server_is_honest_in_both_dialects() {
    let server = HostileServer::start(Dialect::Standard, &[]).unwrap();
    let mut client = Client::authenticated(&server);
    assert_eq!(client.ask("mynah 1\n"), "-8\n");
    assert_eq!(client.ask("lstat /f%69le\n"), "0\n");
    assert_eq!(client.line().split(' ').count(), 13);
    assert_eq!(client.ask("lstat /absent\n"), "-3\n");
    assert_eq!(client.ask("open /file r 0\n"), "1\n");
    client.line();
    assert_eq!(client.ask("pread 1 100 3\n"), "5\n");
    assert_eq!(client.line(), "tent\n");
    assert_eq!(client.ask("pwrite 1 5 0\nclose"), "-2\n", "announced data is no request");
    assert_eq!(server.heard().last().unwrap(), "pwrite 1 5 0");

    let server = HostileServer::start(Dialect::Extended, &[]).unwrap();
    let mut client = Client::authenticated(&server);
    assert_eq!(client.ask("mynah 1\n"), "1\n");
    client.line();
    assert_eq!(client.ask("lstat /file\n"), "0\n");
    assert_eq!(client.line().split(' ').count(), 17);
    assert_eq!(client.ask("lstat /absent\n"), "-1002\n");
    assert_eq!(client.ask("getdir /\n"), "0\n");
    assert_eq!(std::array::from_fn(|_| client.line()), ["file\n", "dir\n", "link\n", "\n"]);
}

#[test]
fn each_malice_of_the_server_shows() {
    use hostile_server::Malice;
    let start = |malice| {
        let server = HostileServer::start(Dialect::Standard, &[malice]).unwrap();
        let client = Client::authenticated(&server);
        (server, client)
    };
    for (malice, request, reply) in [
        (Malice::Code("access", -127), "access /file 0\n", "-127\n"),
        (Malice::AbsurdLengths, "readlink /link 4096\n", "9223372036854775807\n"),
        (Malice::LinksTo(b"/etc/passwd".to_vec()), "readlink /file 4096\n", "11\n"),
        (Malice::Unsolicited("access"), "access /file 0\n", "0\n"),
        (Malice::HangUp("access"), "access /file 0\n", "0"),
        (Malice::EndlessListing, "getlongdir /\n", "0\n"),
    ] {
        let (_server, mut client) = start(malice);
        assert_eq!(client.ask(request), reply);
    }
    for (malice, field) in [
        (Malice::NegativeSizes, " -1 "),
        (Malice::AbsurdSizes, " 9223372036854775807 "),
        (Malice::OverflowingSizes, " 99999999999999999999999999 "),
        (Malice::SetIdModes, " 36863 "),
        (Malice::Devices, " 25014 "),
        (Malice::WordStat, " four thousand "),
    ] {
        let (_server, mut client) = start(malice);
        client.ask("lstat /file\n");
        let line = client.line();
        assert!(line.contains(field), "{line}");
    }
    let (_server, mut client) = start(Malice::EndlessLine("whoami"));
    client.output.write_all(b"whoami 100\n").unwrap();
    let mut some = vec![0; 1 << 20];
    client.input.read_exact(&mut some).unwrap();
    assert!(!some.contains(&b'\n'));
}

#[test]
fn a_server_that_is_dropped_ends_its_connections() {
    let server = HostileServer::start(Dialect::Standard, &[hostile_server::Malice::SilentWelcome]).unwrap();
    let mut client = Client::connect(&server);
    client.output.write_all(b"unix\n").unwrap();
    drop(server);
    // What the server had not read turns the end into a reset.
    let ended = client.input.read(&mut [0]);
    assert!(!matches!(ended, Ok(1..)), "{ended:?}");
}

//! The trace's format: what is written is read again, whatever else is read is refused without harm.

use mynah_agent::trace::format::{
    Answer, Call, FormatError, Header, Place, Reader, Record, Request, Text, Told, Writer,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn header() -> Header {
    Header {
        arch: "x86_64".to_owned(),
        begun: (1_795_259_074, 5),
        command: vec![b"sh".to_vec(), b"-c".to_vec()],
        program: "0.1.0".to_owned(),
    }
}

fn text(bytes: &[u8]) -> Text {
    Text::from(bytes)
}

/// The bytes of a trace with these records.
fn written(records: &[Record]) -> Vec<u8> {
    let mut writer = Writer::default();
    let mut bytes = Vec::new();
    writer.write(&Record::Header(header()), &mut bytes);
    for record in records {
        writer.write(record, &mut bytes);
    }
    bytes
}

/// What is read of bytes that come in pieces of `size`, and what is left over.
fn read(bytes: &[u8], size: usize) -> (Vec<Record>, Result<usize, FormatError>) {
    let mut reader = Reader::default();
    let mut records = Vec::new();
    for piece in bytes.chunks(size.max(1)) {
        reader.push(piece);
        loop {
            match reader.next_record() {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                Err(error) => return (records, Err(error)),
            }
        }
    }
    (records, Ok(reader.left()))
}

fn any_text() -> impl Strategy<Value = Text> {
    prop_oneof![Just(text(b"/chirp/h/f")), vec(any::<u8>(), 0..40).prop_map(Text::from)]
}

fn any_place() -> impl Strategy<Value = Place> {
    (option::of(any_text()), any_text()).prop_map(|(server, path)| Place { server, path })
}

fn any_answer() -> impl Strategy<Value = Answer> {
    prop::sample::select(vec![
        Answer::Native,
        Answer::Value,
        Answer::Descriptor,
        Answer::Performed,
        Answer::Signalled,
        Answer::Gone,
    ])
}

fn any_call() -> impl Strategy<Value = Record> {
    let who = (any::<i64>(), any::<u64>(), any::<u64>(), any::<i32>(), any::<i32>(), any_text());
    let told = (0..6usize, any_text(), option::of(any_text())).prop_map(|(argument, text, from)| Told {
        argument,
        text,
        from,
    });
    let what = (vec(any::<u64>(), 0..6), vec(told, 0..3), any_answer(), option::of(any::<i64>()));
    let cost = (vec(any_place(), 0..8), any::<u64>(), any::<u64>(), any::<u64>());
    (who, what, cost).prop_map(
        |(
            (at, took, number, pid, tid, name),
            (arguments, texts, answer, result),
            (places, requests, fetched, sent),
        )| {
            Record::Call(Box::new(Call {
                at,
                took,
                number,
                pid,
                tid,
                name,
                arguments,
                texts,
                answer,
                result,
                places,
                requests,
                fetched,
                sent,
            }))
        },
    )
}

fn any_request() -> impl Strategy<Value = Record> {
    let what = (any_text(), any_text(), any_text(), option::of(any_text()));
    let how = (option::of(0..4096i32), any::<u64>(), option::of(any::<u64>()));
    (any::<i64>(), any::<u64>(), option::of(any::<u64>()), what, how).prop_map(
        |(at, took, call, (server, operation, path, other), (error, bytes, size))| {
            Record::Request(Box::new(Request {
                at,
                took,
                call,
                server,
                operation,
                path,
                other,
                error,
                bytes,
                size,
            }))
        },
    )
}

fn any_record() -> impl Strategy<Value = Record> {
    prop_oneof![
        any_call(),
        any_request(),
        (any::<i64>(), any::<i32>(), any::<i32>(), any_text())
            .prop_map(|(at, pid, parent, name)| Record::Process { at, pid, parent, name }),
        (any::<i64>(), any::<i32>(), any::<i32>()).prop_map(|(at, pid, status)| Record::Ended {
            at,
            pid,
            status
        }),
        (0..=i64::MAX as u64).prop_map(|count| Record::Lost { count }),
        (any::<i64>(), any::<i32>()).prop_map(|(at, status)| Record::End { at, status }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(records in vec(any_record(), 0..12), size in 1..200usize) {
        let (found, left) = read(&written(&records), size);
        prop_assert_eq!(&found[0], &Record::Header(header()));
        prop_assert_eq!(&found[1..], &records[..]);
        prop_assert_eq!(left, Ok(0));
    }

    #[test]
    fn a_file_that_is_cut_anywhere_tells_all_that_is_whole(records in vec(any_record(), 1..8), cut in any::<prop::sample::Index>()) {
        let bytes = written(&records);
        let (found, left) = read(&bytes[..cut.index(bytes.len())], 64);
        prop_assert!(left.is_ok());
        for (found, written) in found.iter().skip(1).zip(&records) {
            prop_assert_eq!(found, written);
        }
    }

    #[test]
    fn damage_is_an_error_or_another_record_and_never_worse(
        records in vec(any_record(), 1..8), at in any::<prop::sample::Index>(), byte in any::<u8>(), size in 1..300usize
    ) {
        let mut bytes = written(&records);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = read(&bytes, size);
    }

    #[test]
    fn any_bytes_are_refused_or_waited_for(bytes in vec(any::<u8>(), 0..400), size in 1..100usize) {
        let _ = read(&bytes, size);
        let _ = read(&[written(&[]), bytes].concat(), size);
    }
}

#[test]
fn the_bytes_are_those_of_version_1() {
    let records = [
        Record::Process { at: 1000, pid: 7, parent: 1, name: text(b"sh") },
        Record::Call(Box::new(Call {
            at: 2000,
            took: 300,
            number: 1,
            pid: 7,
            tid: 7,
            name: text(b"openat"),
            arguments: vec![0xffff_ff9c, 1, 0, 0],
            texts: vec![Told { argument: 1, text: text(b"f"), from: Some(text(b"/d")) }],
            answer: Answer::Descriptor,
            result: Some(3),
            places: vec![Place { server: Some(text(b"chirp://h:9094")), path: text(b"/d/f") }],
            requests: 2,
            fetched: 5,
            sent: 0,
        })),
        Record::Request(Box::new(Request {
            at: 1500,
            took: 100,
            call: Some(1),
            server: text(b"chirp://h:9094"),
            operation: text(b"read"),
            path: text(b"/d/f"),
            other: None,
            error: Some(0),
            bytes: 5,
            size: None,
        })),
        Record::Ended { at: 1500, pid: 7, status: -9 },
        Record::Lost { count: 4 },
        Record::End { at: 9999, status: 137 },
    ];
    // 55799(["mynah trace", 1, "x86_64", [1795259074, 5], [h'7368', h'2d63'], "0.1.0"])
    let header =
        "d9d9f7866b6d796e61682074726163650166 7838365f3634 821a6b017ac205 8242736842 2d63 65302e312e30";
    // [0, 'sh'] [2, 1000, 7, 1, 0]
    let process = "8200427368 85021903e8070100";
    // [0, 'openat'] [0, '/d'] [0, 'f'] [0, 'chirp://h:9094'] [0, '/d/f']
    let texts = "8200466f70656e6174 8200422f64 82004166 82004e63686972703a2f2f683a39303934 8200442f642f66";
    // [3, 1000, 300, 1, 7, 7, 1, [4294967196, 1, 0, 0], [[1, 3, 2]], 2, 3, [[4, 5]], 2, 5, 0]
    let call = "8f031903e819012c01070701841affffff9c0100008183010302020381820405020500";
    // [0, 'read'] [4, -500, 100, 1, 4, 6, 5, null, 0, 5, null]
    let request = "82004472656164 8b043901f31864010406 05f60005f6";
    // [5, 0, 7, -9] [6, 4] [7, 8499, 137]
    let rest = "8405000728 820604 83071921331889";
    let expected: String =
        [header, process, texts, call, request, rest].concat().split_whitespace().collect();
    let found: String = written(&records).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, expected);
}

#[test]
fn newer_kinds_and_elements_are_passed_over() {
    let mut bytes = written(&[]);
    // [99, "later", [1, 2]] [7, 5, 0, "more"]
    bytes.extend([0x83, 0x18, 99, 0x65, b'l', b'a', b't', b'e', b'r', 0x82, 1, 2]);
    bytes.extend([0x84, 7, 5, 0, 0x64, b'm', b'o', b'r', b'e']);
    let (found, left) = read(&bytes, 7);
    assert_eq!(found[1..], [Record::End { at: 5, status: 0 }]);
    assert_eq!(left, Ok(0));
}

#[test]
fn what_is_no_trace_is_said_to_be_none() {
    for bytes in [&b"#!/bin/sh\n"[..], b"\x7fELF", b"{}", b"\xd9\xd9\xf7\x86\x61a"] {
        assert_eq!(read(bytes, 100), (vec![], Err(FormatError::NotATrace)), "{bytes:?}");
    }
    let mut newer = written(&[]);
    let version = newer.iter().position(|byte| *byte == b'e').expect("the name") + 1;
    newer[version] = 2;
    assert_eq!(read(&newer, 100).1, Err(FormatError::Version(2)));
}

#[test]
fn more_texts_than_are_known_at_a_time_are_told_anew() {
    let name = |number: u32| text(number.to_string().as_bytes());
    let records: Vec<Record> = (0..150_000u32)
        .map(|number| Record::Process { at: 0, pid: number as i32, parent: 0, name: name(number % 100_000) })
        .collect();
    let (found, left) = read(&written(&records), 1 << 16);
    assert!(found[1..] == records, "they differ");
    assert_eq!(left, Ok(0));
}

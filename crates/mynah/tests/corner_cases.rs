//! The corner cases that an interposition agent dies of, section by section, and where each is tested.
//!
//! A place is a program of `differential/` (`family/name`), or a test (`crate/tests/file.rs::name`). A place that is gone, and a case
//! without one or a reason, fail here.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a case is tested.
#[derive(Debug)]
enum Place {
    /// `differential/NAME.c`: natively, locally and on a mount, as every user.
    Program(&'static str),
    /// A test of a file below `crates/`.
    Test(&'static str, &'static str),
    /// Nothing to test, because.
    Nothing(&'static str),
}

use Place::{Nothing, Program, Test};

struct Section {
    name: &'static str,
    cases: &'static [(&'static str, &'static [Place])],
}

const NO_CODE_INSIDE: Place = Nothing("Mynah puts no code into programs");

const SECTIONS: &[Section] = &[
    Section {
        name: "signals",
        cases: &[
            (
                "a storm with SA_RESTART on every trapped call",
                &[Program("signals/storm"), Program("signals/storm_on_every_call")],
            ),
            ("a storm without SA_RESTART on every trapped call", &[Program("signals/storm_without_restart")]),
            ("a signal inside a stub or a gate", &[NO_CODE_INSIDE]),
            (
                "SIGSYS and SIGILL blocked or handled by the program",
                &[Program("signals/sigsys_and_sigill"), Program("signals/handlers")],
            ),
            ("sigaltstack", &[Program("signals/handlers")]),
            ("tiny stacks and red zones", &[Program("signals/tiny_stacks")]),
            (
                "signals while a call waits",
                &[
                    Program("locks/interrupted"),
                    Program("fifos/opening"),
                    Test("mynah/tests/waiting.rs", "ctrl_c_in_the_middle_of_a_call"),
                    Test(
                        "intercept/tests/transient.rs",
                        "a_storm_of_signals_disturbs_nothing_and_loses_nothing",
                    ),
                ],
            ),
            (
                "signals that were blocked or ignored before",
                &[Test("mynah/tests/limits.rs", "a_program_finds_the_signals_blocked_and_ignored_that_were")],
            ),
        ],
    },
    Section {
        name: "spawning",
        cases: &[
            (
                "a vfork child that opens or executes",
                &[
                    Program("processes/spawn"),
                    Test("intercept/tests/transient.rs", "a_vfork_child_may_try_several_files"),
                ],
            ),
            ("posix_spawn that fails", &[Program("processes/spawn")]),
            (
                "a failing exec of a remote path",
                &[
                    Program("processes/exec"),
                    Test("intercept/tests/transient.rs", "a_failing_execve_leaves_the_program_as_it_was"),
                ],
            ),
            (
                "exec from a thread that is not the leader",
                &[
                    Program("threads/shared_tables"),
                    Test(
                        "intercept/tests/transient.rs",
                        "a_thread_other_than_the_leader_executes_another_file",
                    ),
                    Test("intercept/tests/transient.rs", "of_threads_that_execute_at_once_one_wins"),
                ],
            ),
            ("threads that race for the first call", &[Program("threads/racing_opens")]),
        ],
    },
    Section {
        name: "descriptor tables",
        cases: &[
            ("clone with every combination of CLONE_FILES and CLONE_FS", &[Program("processes/spawn")]),
            ("those, racing with chdir", &[Program("descriptors/racing_chdir")]),
            ("unshare(CLONE_FILES)", &[Program("descriptors/unshared_tables")]),
            ("close_range", &[Program("descriptors/close_range")]),
            ("dup2 onto 0, 1 and 2", &[Program("descriptors/standard_streams")]),
            ("the lowest number", &[Program("descriptors/dup"), Program("descriptors/standard_streams")]),
            ("SCM_RIGHTS", &[Program("descriptors/in_flight"), Program("sockets/unix_names")]),
            ("inheritance over exec", &[Program("processes/exec"), Program("descriptors/standard_streams")]),
            (
                "RLIMIT_NOFILE",
                &[
                    Program("limits/sixty_four_descriptors"),
                    Program("limits/ten_thousand_descriptors"),
                    Test("mynah/tests/limits.rs", "a_program_finds_the_limits_that_its_user_set"),
                ],
            ),
        ],
    },
    Section {
        name: "metadata",
        cases: &[
            (
                "stat, fstat, statx and lstat agree",
                &[Program("attributes/stat_family"), Program("files/sizes_after_write")],
            ),
            ("newfstatat with AT_EMPTY_PATH", &[Program("attributes/stat_family")]),
            ("getdents, rewinddir, telldir", &[Program("listing/getdents"), Program("listing/inodes")]),
        ],
    },
    Section {
        name: "paths",
        cases: &[
            (
                "relative names and descriptors of directories",
                &[Program("directories/dirfds"), Program("files/openat")],
            ),
            ("fchdir, `..`, getcwd", &[Program("directories/cwd")]),
            (
                "links between local and remote",
                &[Program("names/symlink_walks"), Test("mynah/tests/names.rs", "links_across_mounts")],
            ),
            ("/proc/self/exe, fd, cwd, maps", &[Program("proc/self"), Program("proc/no_leaks")]),
            ("openat2 with RESOLVE flags", &[Program("paths/openat2")]),
            ("O_PATH", &[Program("paths/path_only")]),
            ("O_TMPFILE", &[Program("paths/temporary")]),
            (
                "rename and link across the boundary",
                &[Test("mynah/tests/names.rs", "what_crosses_a_mount_is_exdev")],
            ),
            ("inotify", &[Program("watching/names"), Program("watching/files")]),
            ("dnotify", &[Program("sockets/dnotify")]),
        ],
    },
    Section {
        name: "execution",
        cases: &[
            (
                "a remote ELF file",
                &[Program("processes/exec"), Test("mynah/tests/names.rs", "programs_on_the_server_run")],
            ),
            (
                "`#!` scripts, and those whose interpreter is remote",
                &[Program("processes/interpreter"), Program("processes/interpreter_with_nul")],
            ),
            ("fexecve and execveat", &[Program("processes/exec")]),
            (
                "a remote PT_INTERP",
                &[Test("mynah/tests/exec.rs", "a_remote_program_gets_the_loader_that_the_namespace_has")],
            ),
            (
                "libraries, dlopen",
                &[
                    Test("mynah/tests/exec.rs", "a_library_is_found_by_an_absolute_path_in_the_namespace"),
                    Program("odd/made_code"),
                ],
            ),
            (
                "a cache that nothing can be executed from",
                &[Test(
                    "mynah/tests/exec.rs",
                    "programs_and_libraries_run_from_a_cache_on_a_noexec_file_system",
                )],
            ),
            (
                "exec of a descriptor that was only named",
                &[Test("mynah/tests/exec.rs", "a_descriptor_that_was_only_named_is_executed")],
            ),
            ("a static program", &[Program("odd/static_program")]),
        ],
    },
    Section {
        name: "memory and bulk",
        cases: &[
            ("shared mappings", &[Program("mappings/shared"), Program("mappings/between_processes")]),
            ("private mappings", &[Program("mappings/private")]),
            ("write(2) from a mapped remote page", &[Program("mappings/calls_on_mapped_memory")]),
            ("truncation and SIGBUS", &[Program("mappings/truncated_under_mapping")]),
            ("msync", &[Program("mappings/shared"), Program("mappings/between_processes")]),
            (
                "sendfile, splice, copy_file_range",
                &[Program("files/copying"), Program("files/copy_file_range")],
            ),
            ("vmsplice and tee", &[Program("mappings/vmsplice")]),
        ],
    },
    Section {
        name: "odd entries",
        cases: &[
            ("io_uring", &[Test("mynah/tests/suites/fio.rs", "fio_is_told_that_there_is_no_io_uring")]),
            (
                "int 0x80, x32, unknown numbers",
                &[
                    Program("odd/entries"),
                    Test(
                        "intercept/tests/filter.rs",
                        "a_foreign_architecture_is_told_that_there_is_no_such_call",
                    ),
                ],
            ),
            ("vsyscall", &[Program("odd/made_code")]),
            ("32-bit programs", &[Program("odd/i386")]),
            ("made and self-modifying code that makes calls", &[Program("odd/made_code")]),
            ("loaded text that is changed; writable or executable, never both", &[Program("odd/made_code")]),
            ("programs that checksum their text", &[Program("odd/made_code")]),
        ],
    },
    Section {
        name: "programs inside",
        cases: &[
            (
                "debuggers",
                &[
                    Test("intercept/tests/transient.rs", "all_this_holds_in_a_debugger"),
                    Test(
                        "intercept/tests/transient.rs",
                        "threads_in_a_debugger_are_reported_and_their_call_stays_pending",
                    ),
                ],
            ),
            ("a listener of the program's own", &[Program("odd/own_listener")]),
            ("a filter of the program's own", &[Program("odd/privileges")]),
            ("a Landlock ruleset of the program's own", &[Program("odd/landlock")]),
            ("not dumpable, no_new_privs", &[Program("odd/privileges")]),
            (
                "PID, user and other namespaces",
                &[
                    Program("odd/own_namespaces"),
                    Test(
                        "mynah/tests/waiting.rs",
                        "a_signal_is_passed_on_where_the_sessions_leader_is_outside_the_pid_namespace",
                    ),
                ],
            ),
        ],
    },
    Section {
        name: "failure",
        cases: &[
            (
                "the supervisor dies",
                &[Test("mynah/tests/waiting.rs", "whichever_process_of_mynah_is_killed_all_end")],
            ),
            (
                "a slow network while signals or SIGKILL come",
                &[
                    Test("mynah/tests/waiting.rs", "a_signal_ends_a_program_in_the_middle_of_a_call"),
                    Test(
                        "intercept/tests/transient.rs",
                        "sigkill_at_any_moment_ends_the_program_and_its_parent_hears_of_it",
                    ),
                ],
            ),
            (
                "stop and continue",
                &[
                    Test("mynah/tests/waiting.rs", "stopping_and_continuing_in_the_middle_of_a_call"),
                    Test("mynah/tests/waiting.rs", "ctrl_z_in_the_middle_of_a_call"),
                ],
            ),
            (
                "thousands of processes",
                &[Program("limits/thousand_processes"), Program("odd/many_processes")],
            ),
            (
                "hundreds that wait",
                &[
                    Program("fifos/many_waiters"),
                    Test(
                        "mynah/tests/waiting.rs",
                        "five_hundred_waiters_do_not_stop_the_one_who_releases_them",
                    ),
                ],
            ),
            (
                "long paths, paths that cross a page, bad pointers",
                &[Program("paths/long_names"), Program("paths/bad_pointers")],
            ),
            (
                "file size limits",
                &[
                    Program("limits/file_size"),
                    Test(
                        "mynah/tests/limits.rs",
                        "a_programs_file_size_limit_does_not_bind_what_is_fetched_and_carried_home_for_it",
                    ),
                ],
            ),
            ("core dumps", &[Test("mynah/tests/limits.rs", "a_core_file_never_lies_in_the_cache")]),
            (
                "a full cache",
                &[Test("mynah/tests/limits.rs", "a_full_file_system_under_the_cache_is_told_as_what_it_is")],
            ),
        ],
    },
    Section {
        name: "hostility",
        cases: &[
            ("a second thread that flips the path", &[Program("odd/flipped_paths")]),
            ("a jump to the gate; mappings of ours taken away, or mapped over", &[NO_CODE_INSIDE]),
            ("low addresses, no address space", &[Program("odd/low_addresses")]),
            (
                "a hostile server",
                &[Test("mynah/tests/hostile.rs", "programs_live_with_every_kind_of_malice")],
            ),
        ],
    },
];

#[test]
fn every_corner_case_is_tested_somewhere() {
    let mut wrong = Vec::new();
    for section in SECTIONS {
        for (case, places) in section.cases {
            if places.is_empty() {
                wrong.push(format!("{}: {case}: nowhere", section.name));
            }
            let gone = places.iter().filter(|place| !is_there(place));
            wrong.extend(gone.map(|place| format!("{}: {case}: {place:?} is not there", section.name)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn is_there(place: &Place) -> bool {
    let crates: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("crates").into();
    match place {
        Program(name) => crates.join("mynah/tests/differential").join(format!("{name}.c")).exists(),
        Test(file, name) => {
            fs::read_to_string(crates.join(file)).is_ok_and(|text| text.contains(&format!("fn {name}(")))
        }
        Nothing(reason) => !reason.is_empty(),
    }
}

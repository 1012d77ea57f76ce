# cargo: a workspace of a library with a build script and a program that uses it, built, tested, run and changed.
cd "$1"
export CARGO_HOME=$1/home CARGO_NET_OFFLINE=true CARGO_TERM_COLOR=never CARGO_TERM_QUIET=true
mkdir -p lib/src program/src
printf '[workspace]\nresolver = "2"\nmembers = ["lib", "program"]\n' > Cargo.toml
printf '[package]\nname = "lib"\nversion = "0.1.0"\nedition = "2021"\n' > lib/Cargo.toml
cat > lib/build.rs <<'END'
use std::{env, fs, path::Path};
fn main() {
    println!("cargo:rerun-if-changed=numbers");
    let numbers = fs::read_to_string("numbers").unwrap();
    let code = format!("const NUMBERS: &[u32] = &[{}];", numbers.lines().collect::<Vec<_>>().join(","));
    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("numbers.rs"), code).unwrap();
}
END
cat > lib/src/lib.rs <<'END'
include!(concat!(env!("OUT_DIR"), "/numbers.rs"));
/// ```
/// assert!(lib::sum() > 0);
/// ```
pub fn sum() -> u32 { NUMBERS.iter().sum() }
#[cfg(test)]
mod tests {
    #[test] fn it_adds_up() { assert_eq!(super::sum(), super::NUMBERS.iter().sum()); }
    #[test] fn files() { std::fs::write("written", "x").unwrap(); assert_eq!(std::fs::read("written").unwrap(), b"x"); }
}
END
printf '[package]\nname = "program"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\nlib = { path = "../lib" }\n' > program/Cargo.toml
printf 'fn main() { println!("the sum is {}", lib::sum()); }\n' > program/src/main.rs
seq 10 > lib/numbers
cargo build
target/debug/program
seq 20 > lib/numbers
cargo run
cargo test 2>&1 | grep -E '^(test |running)' | sed 's|; finished.*||' | sort
cargo build --release
target/release/program
cargo run -p nothing 2>&1 | head -1
cargo metadata --format-version 1 --no-deps | grep -o '"name":"[a-z]*"' | sort -u
cargo clean
ls
rm -r home

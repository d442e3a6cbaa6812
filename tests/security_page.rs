//! The page on security names a test for every threat, and every threat that has a test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_threat_has_the_tests_that_it_names_and_every_such_test_its_threat() {
    let page = read("src/manual/security.md");
    let named = threats(&page);
    assert!(named.len() > 100, "{}", named.len());
    let mut tested = BTreeSet::new();
    for (file, code) in test_files() {
        for number in numbers(&code) {
            let row = named.get(&number);
            assert!(
                row.is_some_and(|files| files.contains(&file)),
                "A-{number} does not name {file}"
            );
            tested.insert((number, file.clone()));
        }
    }
    for (number, files) in named {
        assert!(!files.is_empty(), "A-{number} names no test");
        for file in files {
            assert!(
                tested.contains(&(number, file.clone())),
                "no test of A-{number} in {file}"
            );
        }
    }
}

/// The rows whose first cell is a number, with the files of the last.
fn threats(page: &str) -> BTreeMap<u32, BTreeSet<String>> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let number = cells.get(1)?.parse().ok()?;
        let files = cells.get(4)?.split(',');
        let files = files.map(|file| file.trim().trim_matches('`').to_owned());
        Some((number, files.collect()))
    };
    page.lines().filter_map(row).collect()
}

/// The numbers that names of functions begin with: 15 of `a15_..`, 24 and 40 of `a24_a40_..`.
fn numbers(code: &str) -> BTreeSet<u32> {
    let names = code.split("fn ").skip(1);
    let parts = |name: &str| -> Vec<u32> {
        let parts = name
            .split('_')
            .map(|part| part.strip_prefix('a')?.parse().ok());
        parts.map_while(|number| number).collect()
    };
    names.flat_map(parts).collect()
}

/// Without what tests share and the packages of their own.
fn test_files() -> Vec<(String, String)> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut found = Vec::new();
    let mut folders = vec![tests.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let name = path.strip_prefix(&tests).unwrap().with_extension("");
            let name = name.to_str().unwrap().to_owned();
            if path.is_dir() && !["support", "fuzz", "providers"].contains(&name.as_str()) {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    found
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

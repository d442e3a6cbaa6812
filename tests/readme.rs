//! The README cannot rot: its code is compiled in the manual, its table is the manifest's, its
//! commands are there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_rust_block_is_compiled_in_the_manual() {
    let compiled: Vec<String> = manual()
        .iter()
        .flat_map(|page| blocks(page, "rust"))
        .map(|block| visible(&block))
        .collect();
    let written = blocks(&read("README.md"), "rust");
    assert!(!written.is_empty());
    for block in written {
        assert!(
            !block.lines().any(is_hidden),
            "a hidden line, which everybody sees there:\n{block}"
        );
        assert!(
            compiled.iter().any(|page| page.contains(&visible(&block))),
            "in no page of the manual:\n{block}"
        );
    }
}

#[test]
fn a_block_of_the_manual_that_is_not_run_would_need_a_network() {
    for page in manual() {
        for line in page.lines().filter(|line| line.starts_with("```")) {
            let tags = line.trim_start_matches('`');
            assert!(
                ["", "text", "json", "rust"].contains(&tags),
                "{line:?} is not compiled or not run"
            );
        }
    }
}

#[test]
fn the_table_of_features_is_the_manifests() {
    let features = features();
    for page in ["README.md", "src/manual/crate.md"] {
        let told: BTreeMap<String, bool> = read(page)
            .lines()
            .skip_while(|line| !line.starts_with("| feature |"))
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .map(|row| {
                let cells: Vec<&str> = row.split('|').map(str::trim).collect();
                (cells[1].trim_matches('`').to_owned(), cells[2] == "yes")
            })
            .collect();
        assert_eq!(told, features, "{page}");
    }
}

#[test]
fn every_benchmark_is_in_both_tables() {
    let manifest = read("Cargo.toml");
    let names: Vec<&str> = manifest
        .split("[[bench]]\nname = \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(names.contains(&"layer"), "{names:?}");
    let (readme, page) = (read("README.md"), read("src/manual/performance.md"));
    for name in names {
        let command = format!("| `cargo bench --bench {name}` |");
        assert!(readme.contains(&command), "README.md: {name}");
        assert!(
            page.contains(&format!("| `{name}` |")),
            "the manual: {name}"
        );
    }
    for package in ["instructions", "peers"] {
        let manifest = format!("benches/{package}/Cargo.toml");
        assert!(root().join(&manifest).is_file(), "{manifest}");
        let command = format!("--manifest-path {manifest}` |");
        assert!(readme.contains(&command), "README.md: {package}");
        let row = format!("| `benches/{package}` |");
        assert!(page.contains(&row), "the manual: {package}");
    }
}

#[test]
fn the_commands_are_there() {
    let commands: Vec<String> = blocks(&read("README.md"), "sh")
        .iter()
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(
        commands,
        ["cargo run --example support_desk", "./tests/run"]
    );

    assert!(read("Cargo.toml").contains("name = \"support_desk\""));
    assert!(root().join("examples/support_desk/main.rs").is_file());
    let script = fs::metadata(root().join("tests/run")).unwrap();
    assert!(script.is_file());
    #[cfg(unix)]
    assert_ne!(
        std::os::unix::fs::PermissionsExt::mode(&script.permissions()) & 0o111,
        0,
        "tests/run cannot be run"
    );
}

#[test]
fn files_that_are_named_exist() {
    for page in manual().into_iter().chain([read("README.md")]) {
        for folder in ["examples/", "tests/", "src/"] {
            for (at, _) in page.match_indices(&format!("`{folder}")) {
                let name = page[at + 1..].split('`').next().unwrap();
                assert!(root().join(name).exists(), "{name}");
            }
        }
    }
}

/// Names and whether they are on by default, from the manifest's own section.
fn features() -> BTreeMap<String, bool> {
    let manifest = read("Cargo.toml");
    let section: BTreeMap<&str, &str> = manifest
        .lines()
        .skip_while(|line| *line != "[features]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "))
        .collect();
    let on = section["default"];
    section
        .keys()
        .filter(|name| **name != "default")
        .map(|name| ((*name).to_owned(), on.contains(&format!("\"{name}\""))))
        .collect()
}

/// The pages that rustdoc compiles.
fn manual() -> Vec<String> {
    let folder = root().join("src/manual");
    let mut pages: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    let included = read("src/manual/mod.rs") + &read("src/lib.rs");
    for page in &pages {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(included.contains(name), "{name} is included nowhere");
    }
    pages
        .iter()
        .map(|page| fs::read_to_string(page).unwrap())
        .collect()
}

/// The fenced blocks of a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(bool, Vec<&str>)> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(tag)) => open = Some((tag == language, Vec::new())),
            (Some(_), Some(_)) => {
                if let Some((true, lines)) = open.take() {
                    found.push(lines.join("\n"));
                }
            }
            (Some((_, lines)), None) => lines.push(line),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block does not end");
    found
}

/// What a reader of rustdoc sees of a block.
fn visible(block: &str) -> String {
    let lines: Vec<&str> = block.lines().filter(|line| !is_hidden(line)).collect();
    lines.join("\n").trim().to_owned()
}

fn is_hidden(line: &str) -> bool {
    let line = line.trim_start();
    line == "#" || line.starts_with("# ")
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

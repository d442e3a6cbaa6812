//! How many instructions does a request take, and are they as many as before?
//!
//! ```text
//! cargo bench --manifest-path benches/instructions/Cargo.toml              # counts, and compares with counts.tsv
//! cargo bench --manifest-path benches/instructions/Cargo.toml -- --store   # counts, and writes counts.tsv
//! cargo bench --manifest-path benches/instructions/Cargo.toml -- --sign    # new tokens; store afterwards
//! ```
//!
//! It wants valgrind, and `cargo install gungraun-runner` of the version in `Cargo.toml`. Each subject runs in a
//! process of its own below callgrind. Nothing is timed, so neighbours do not matter. Counted is from the clone of
//! the service to the end of the response, for requests and values that were made before, after some like
//! them; the figure is the mean of a hundred, of sixteen for cold ones. The clock stands still, and the tokens are always the same.
//!
//! More than the margin above the stored figure fails. More than the margin below it is told, because a
//! figure that is too high guards nothing.
//!
//! Whatever else is given goes to gungraun, which then prints in its own way: `-- --help` tells.

use std::env;
use std::process::{Command, ExitCode, Stdio};

use instructions::BoxError;
use instructions::figures::{Count, Figures, Finding, Verdict};
use instructions::requests::WARM;
use instructions::tokens::{FRESH, Tokens};
use serde_json::Value;

const COUNTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/counts.tsv");
const AGAIN: &str = "cargo bench --manifest-path benches/instructions/Cargo.toml -- --store";
const COLD: &str = "cold_with_its_signature";
const SIGNATURE: &str = "signature_alone";
const DIFFERENCE: &str = "cold_beside_its_signature";

fn main() -> Result<ExitCode, BoxError> {
    // Cargo's own.
    let given: Vec<_> = env::args()
        .skip(1)
        .filter(|given| given != "--bench")
        .collect();
    let given: Vec<_> = given.iter().map(String::as_str).collect();
    match given[..] {
        [] => guard(),
        ["--store"] => store(),
        ["--sign"] => Tokens::sign_anew().map(|()| ExitCode::SUCCESS),
        _ => {
            counted::run();
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn guard() -> Result<ExitCode, BoxError> {
    let stored = Figures::parse(&std::fs::read_to_string(COUNTS)?)?;
    let machine = machine();
    if architecture(&stored.machine) != architecture(&machine) {
        println!(
            "NOT COMPARED: the stored figures are of {}, this is {machine}",
            stored.machine
        );
        return Ok(ExitCode::SUCCESS);
    }
    let found = stored.compare(&count()?);
    print(&found);
    if found.iter().any(|found| found.verdict == Verdict::Fewer) {
        println!(
            "\nnote: what takes fewer is better, and is not guarded until it is stored: {AGAIN}"
        );
    }
    if !found.iter().any(|found| found.verdict.fails()) {
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "\nFAILED: what was counted is not what benches/instructions/counts.tsv stores, see above."
    );
    println!("Where that is on purpose, store the new figures and say why in the commit: {AGAIN}");
    if stored.machine != machine {
        println!(
            "The figures were stored with {}\nand this is                 {machine}:\ncount the commit before here, too.",
            stored.machine
        );
    }
    Ok(ExitCode::FAILURE)
}

fn store() -> Result<ExitCode, BoxError> {
    let before = match std::fs::read_to_string(COUNTS) {
        Ok(text) => Figures::parse(&text)?,
        Err(_) => Figures {
            machine: String::new(),
            lines: Vec::new(),
        },
    };
    let counts = count()?;
    print(&before.compare(&counts));
    std::fs::write(COUNTS, before.with(&machine(), &counts).render())?;
    println!("\nstored in benches/instructions/counts.tsv");
    Ok(ExitCode::SUCCESS)
}

fn print(found: &[Finding]) {
    println!(
        "{:<28} {:>13} {:>9} {:>9} {:>8}",
        "subject, one request", "instructions", "stored", "change", "margin"
    );
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    for one in found {
        let change = one.change().map(|change| format!("{change:+.2} %"));
        let told = match one.verdict {
            Verdict::Within => "",
            Verdict::More => "MORE THAN THE MARGIN",
            Verdict::Fewer => "fewer",
            Verdict::NotStored => "NOT STORED",
            Verdict::NotCounted => "NOT COUNTED",
        };
        let line = format!(
            "{:<28} {:>13} {:>9} {:>9} {:>6} %  {told}",
            one.subject,
            number(one.counted),
            number(one.stored),
            change.unwrap_or_default(),
            one.margin,
        );
        println!("{}", line.trim_end());
    }
}

/// Runs this program again, as gungraun's, and reads what it tells.
fn count() -> Result<Vec<Count>, BoxError> {
    let mut command = Command::new(env::current_exe()?);
    let output = command
        .args(["--bench", "--output-format=json", "--nosummary"])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("gungraun could not count: {}", output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let read: Result<Vec<_>, _> = text.lines().map(read).collect();
    let mut counts = read?;
    let of = |subject: &str| {
        let count = counts.iter().find(|count| count.subject == subject);
        count.map(|count| count.instructions).ok_or("no such count")
    };
    let difference = of(COLD)?.checked_sub(of(SIGNATURE)?);
    let difference = difference.ok_or("a signature takes more than its request")?;
    counts.push(Count {
        subject: DIFFERENCE.into(),
        instructions: difference,
    });
    Ok(counts)
}

/// One line of gungraun's, which is a JSON object.
fn read(line: &str) -> Result<Count, BoxError> {
    let summary: Value = serde_json::from_str(line)?;
    let subject = summary["id"].as_str().ok_or("a count without a name")?;
    let all = summary.pointer(INSTRUCTIONS).and_then(Value::as_u64);
    let all = all.ok_or_else(|| format!("no count of instructions in {line}"))?;
    let requests = match subject {
        COLD | SIGNATURE => FRESH,
        _ => WARM,
    };
    Ok(Count {
        subject: subject.to_owned(),
        instructions: all / requests as u64,
    })
}

/// What the figures depend on besides the code.
fn machine() -> String {
    let told = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().ok();
        let text = output.and_then(|output| String::from_utf8(output.stdout).ok());
        text.map_or_else(|| format!("{program} unknown"), |text| text.trim().into())
    };
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("processor unknown");
    format!(
        "{}, {}, {}, {}, {}",
        env::consts::ARCH,
        processor.trim_matches([' ', ':', '\t']),
        told("rustc", "--version"),
        told("valgrind", "--version"),
        told("getconf", "GNU_LIBC_VERSION"),
    )
}

fn architecture(machine: &str) -> &str {
    machine.split(',').next().unwrap_or_default()
}

/// Where the count stands in a line of gungraun's.
const INSTRUCTIONS: &str = "/profiles/0/data/total/metrics/Ir/values/new";

/// Gungraun's own `main`, and what it runs.
mod counted {
    use axum::Router;
    use gungraun::{LibraryBenchmarkConfig, library_benchmark, library_benchmark_group};
    use instructions::requests::{self, Layered, Prepared, Signatures};

    /// One `memcpy` for all processors: the choice of another one is a tenth of a request's instructions.
    const PLAINEST: &str =
        "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM,-SSSE3";

    pub(super) fn run() {
        main();
    }

    #[library_benchmark]
    #[bench::bare_router(prepared(requests::bare()))]
    fn bare(mut router: Prepared<Router>) {
        router.answer_all();
    }

    #[library_benchmark]
    #[bench::warm_plain(prepared(requests::plain()))]
    #[bench::warm_by_claim(prepared(requests::by_claim()))]
    #[bench::warm_by_header(prepared(requests::by_header()))]
    #[bench::warm_by_grant(prepared(requests::by_grant()))]
    #[bench::refused_garbage(prepared(requests::garbage()))]
    #[bench::cold_with_its_signature(prepared(requests::cold()))]
    fn layered(mut service: Prepared<Layered>) {
        service.answer_all();
    }

    #[library_benchmark]
    #[bench::signature_alone(prepared(Signatures::new()))]
    fn signature(signatures: Signatures) {
        signatures.check_all();
    }

    fn prepared<T>(made: Result<T, instructions::BoxError>) -> T {
        made.expect("a subject that can be counted")
    }

    library_benchmark_group!(name = all, benchmarks = [bare, layered, signature]);
    gungraun::main!(
        config = LibraryBenchmarkConfig::default().env("GLIBC_TUNABLES", PLAINEST);
        library_benchmark_groups = all
    );
}

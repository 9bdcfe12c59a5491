import Glibc
import Testing

@testable import berth_agent

/// Real processes.
@Suite("A command as handler", .timeLimit(.minutes(1)))
struct CommandHandlerTests {
    private func run(_ script: String, _ text: String = "", timeoutSeconds: Int = 20) async -> (chunks: [String], failure: String?) {
        let handler = CommandHandler(
            command: AgentConfiguration.Command(arguments: ["/bin/sh", "-c", script], timeoutSeconds: timeoutSeconds))
        var chunks: [String] = []
        do {
            for try await chunk in handler.reply(to: text) { chunks.append(chunk) }
            return (chunks, nil)
        } catch {
            return (chunks, (error as? HandlerFailure)?.reason ?? "\(error)")
        }
    }

    @Test("gets the message on standard input and answers on standard output, without the last line end")
    func reply() async {
        let result = await run("tr a-z A-Z; echo", "grüße\nfrom here")
        #expect(result.chunks.joined() == "GRüßE\nFROM HERE")
        #expect(result.failure == nil)
    }

    @Test("a message larger than a pipe goes in while the reply comes out")
    func large() async {
        let text = String(repeating: "0123456789abcdef", count: 64 * 1024)
        let result = await run("cat", text)
        #expect(result.chunks.joined() == text)
    }

    @Test("a command that does not read its input is no failure")
    func unread() async {
        let result = await run("echo fine", String(repeating: "x", count: 1024 * 1024))
        #expect(result.chunks == ["fine"] && result.failure == nil)
    }

    @Test("pieces arrive while the command still runs")
    func gradual() async throws {
        let disk = ConfigDirectory()
        let script = "echo one; until [ -e \(disk.path)/config.yaml ]; do sleep 0.01; done; echo two"
        let handler = CommandHandler(command: AgentConfiguration.Command(arguments: ["/bin/sh", "-c", script], timeoutSeconds: 20))
        var iterator = handler.reply(to: "").makeAsyncIterator()
        #expect(try await iterator.next() == "one")
        disk.write("config.yaml", "go on")
        #expect(try await iterator.next() == "\ntwo")
    }

    @Test("a code other than 0 is a failure that quotes the last line of standard error")
    func code() async {
        let result = await run("echo before; echo early >&2; echo 'no such model' >&2; exit 3")
        #expect(result.chunks == ["before"])
        #expect(result.failure == "the command ended with code 3: no such model")
    }

    @Test("a signal is a failure")
    func signalled() async { #expect(await run("kill -9 $$").failure == "the command was ended by signal 9") }

    @Test("a command that cannot be started is a failure")
    func notStarted() async {
        let handler = CommandHandler(command: AgentConfiguration.Command(arguments: ["/nowhere/program"], timeoutSeconds: 5))
        await #expect(throws: HandlerFailure(reason: "/nowhere/program could not be started: No such file or directory")) {
            for try await _ in handler.reply(to: "") {}
        }
    }

    @Test("a command that takes too long is killed with everything it started")
    func timeout() async throws {
        let result = await run("sleep 300 & echo $!; wait", timeoutSeconds: 1)
        #expect(result.failure == "the command did not end within 1 s")
        try await expectGone(try #require(pid_t(result.chunks.joined())))
    }

    @Test("a child left behind does not hold up the reply")
    func leftBehind() async throws {
        let clock = ContinuousClock()
        let start = clock.now
        let result = await run("sleep 300 & echo $!")
        #expect(clock.now - start < .seconds(10))
        #expect(result.failure == nil)
        try await expectGone(try #require(pid_t(result.chunks.joined())))
    }

    @Test("a command whose reader goes away is killed")
    func abandoned() async throws {
        let handler = CommandHandler(
            command: AgentConfiguration.Command(arguments: ["/bin/sh", "-c", "echo $$; sleep 300"], timeoutSeconds: 300))
        let (pids, found) = AsyncStream.makeStream(of: pid_t.self)
        let reading = Task {
            for try await chunk in handler.reply(to: "") { if let pid = pid_t(chunk) { found.yield(pid) } }
        }
        var iterator = pids.makeAsyncIterator()
        let pid = try #require(await iterator.next())
        reading.cancel()
        try await expectGone(pid)
    }

    @Test("a reply above the limit is a failure and ends the command")
    func tooMuch() async { #expect(await run("yes").failure == "the command wrote more than 8 MiB") }

    @Test("the command starts with clean signals and no descriptor of ours")
    func clean() async {
        let result = await run("ls /proc/self/fd | tr '\\n' ' '; grep -E 'Sig(Blk|Ign)' /proc/self/status | cut -f2 | tr '\\n' ' '")
        let words = result.chunks.joined().split(separator: " ").map(String.init)
        // 3 is the directory `ls` itself reads.
        #expect(words.prefix(4) == ["0", "1", "2", "3"])
        // The C library keeps the signals above 31 to itself.
        #expect(words.dropFirst(4).map { (UInt64($0, radix: 16) ?? 1) & 0x7FFF_FFFF } == [0, 0])
    }

    /// Killed processes vanish once they are reaped, which may take their new parent a moment; a zombie counts as gone.
    private func expectGone(_ pid: pid_t) async throws {
        for _ in 0..<2000 {
            guard kill(pid, 0) == 0, let status = SmallFile.read("/proc/\(pid)/status", limit: 64 * 1024),
                !String(decoding: status, as: UTF8.self).contains("State:\tZ")
            else { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("process \(pid) still runs")
    }

    @Test("characters that are cut between two reads are put together again")
    func cutCharacters() {
        var chunks = UTF8Chunks()
        let bytes = Array("a€😀\n\nb\n".utf8)
        let pieces = bytes.map { chunks.feed([$0]) }
        #expect(pieces.filter { !$0.isEmpty } == ["a", "€", "😀", "\n\nb"])
        #expect(chunks.finish() == "")
    }

    @Test("bytes that are no text become replacement characters")
    func noText() {
        var chunks = UTF8Chunks()
        #expect(chunks.feed([0x61, 0xFF, 0x62]) + chunks.feed([0xE2, 0x82]) + chunks.finish() == "a\u{FFFD}b\u{FFFD}")
    }
}

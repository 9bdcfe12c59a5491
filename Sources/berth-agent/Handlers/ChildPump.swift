import Glibc

/// Moves bytes between us and one child until it has ended. Blocks: runs on a thread of its own.
struct ChildPump: ~Copyable {
    private static let keptErrors = 2048

    private var child: SpawnedChild
    private var input: ArraySlice<UInt8>
    private let longestOutput: Int
    private var written = 0
    private var errors: [UInt8] = []
    private var outputOpen = true
    private var errorsOpen = true
    private var buffer = [UInt8](repeating: 0, count: 16 * 1024)

    init(child: consuming SpawnedChild, input: [UInt8], longestOutput: Int) {
        self.child = child
        self.input = input[...]
        self.longestOutput = longestOutput
    }

    mutating func run(until deadline: ContinuousClock.Instant, cancelled: CancelFlag, onOutput: ([UInt8]) -> Void) -> ChildProcess.Ending {
        while true {
            if cancelled.isSet || ContinuousClock.now >= deadline { return end(.timedOut) }
            if input.isEmpty, child.input >= 0 { child.closeInput() }
            waitForTraffic()
            feedInput()
            if outputOpen {
                outputOpen = drain(child.output) { bytes, pump in
                    pump.written += bytes.count
                    onOutput(bytes)
                }
            }
            if errorsOpen { errorsOpen = drain(child.errors) { bytes, pump in pump.keepErrors(bytes) } }
            guard written <= longestOutput else { return end(.tooMuchOutput) }
            if let ending = reapedEnding(onOutput) { return ending }
        }
    }

    /// Returns on traffic, and every 20 ms to see whether the child has ended: a grandchild may keep the pipes open.
    private func waitForTraffic() {
        var descriptors: [pollfd] = []
        if child.input >= 0 { descriptors.append(pollfd(fd: child.input, events: Int16(POLLOUT), revents: 0)) }
        if outputOpen { descriptors.append(pollfd(fd: child.output, events: Int16(POLLIN), revents: 0)) }
        if errorsOpen { descriptors.append(pollfd(fd: child.errors, events: Int16(POLLIN), revents: 0)) }
        _ = poll(&descriptors, nfds_t(descriptors.count), outputOpen || errorsOpen ? 20 : 1)
    }

    private mutating func feedInput() {
        guard child.input >= 0, !input.isEmpty else { return }
        let count = input.withUnsafeBytes { write(child.input, $0.baseAddress, $0.count) }
        if count > 0 { input.removeFirst(count) }
        // A command need not read what it is sent.
        if count < 0, errno != EAGAIN, errno != EINTR { input = [] }
    }

    /// Reads what is there; false when the other side has closed.
    private mutating func drain(_ descriptor: Int32, _ take: ([UInt8], inout ChildPump) -> Void) -> Bool {
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count == 0 { return false }
            guard count > 0 else { return errno == EAGAIN || errno == EINTR }
            take(Array(buffer[..<count]), &self)
            if written > longestOutput { return true }
        }
    }

    private mutating func keepErrors(_ bytes: [UInt8]) { errors = Array((errors + bytes).suffix(Self.keptErrors)) }

    private mutating func reapedEnding(_ onOutput: ([UInt8]) -> Void) -> ChildProcess.Ending? {
        var status: Int32 = 0
        guard waitpid(child.pid, &status, WNOHANG) == child.pid else { return nil }
        // What it wrote between our last read and its end.
        if outputOpen { _ = drain(child.output) { bytes, _ in onOutput(bytes) } }
        if errorsOpen { _ = drain(child.errors) { bytes, pump in pump.keepErrors(bytes) } }
        child.kill()
        let signal = status & 0x7F
        return signal == 0 ? .exited(Int(status >> 8 & 0xFF), errors: errors) : .signalled(Int(signal), errors: errors)
    }

    private func end(_ ending: ChildProcess.Ending) -> ChildProcess.Ending {
        child.kill()
        var status: Int32 = 0
        while waitpid(child.pid, &status, 0) < 0, errno == EINTR {}
        return ending
    }
}

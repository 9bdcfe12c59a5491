import Model
import Sweeper
import TestSupport
import Testing

@Suite("What an orphan sweep decides")
struct OrphanPlanTests {
    private static let seen = Timestamp(seconds: 1_000_000)
    private let instance = InstanceID("instance-of-tests")!

    private func id(_ number: Int) -> WorkspaceID {
        let digits = String(number)
        return WorkspaceID("00000000-0000-4000-8000-" + String(repeating: "0", count: 12 - digits.count) + digits)!
    }

    private func labels(_ number: Int, instance: String = "instance-of-tests") -> [String: String] {
        [
            WorkspaceLabels.managed: "true", WorkspaceLabels.instance: instance, WorkspaceLabels.workspaceID: id(number).text,
            WorkspaceLabels.name: "w\(number)", WorkspaceLabels.runtime: "echo", WorkspaceLabels.tier: "2",
            WorkspaceLabels.generation: "1",
        ]
    }

    /// Made `age` seconds before the database first saw this installation; negative is after.
    private func container(_ number: Int, age: Int64 = -60, _ state: ContainerFacts.State = .running) -> ContainerFacts {
        var facts = ContainerFacts(id: "c\(number)", name: "ws-\(number)", labels: labels(number), state: state)
        facts.createdAt = Self.seen - .seconds(age)
        return facts
    }

    private func facts(_ containers: [ContainerFacts], at seconds: Int64, _ change: (inout OrphanFacts) -> Void = { _ in }) -> OrphanFacts {
        var facts = OrphanFacts(
            containers: containers, volumes: [], statuses: [:], known: [:], installationSeenAt: Self.seen, instance: instance,
            now: Self.seen + .seconds(seconds))
        facts.sightedBefore = Set(containers.compactMap { WorkspaceLabels($0.labels, of: instance)?.workspace })
        change(&facts)
        return facts
    }

    private func decide(_ facts: OrphanFacts, _ change: (inout OrphanPolicy) -> Void = { _ in }) -> OrphanDecision {
        var policy = OrphanPolicy()
        change(&policy)
        return OrphanPlan(policy: policy).decide(facts)
    }

    private func taken(_ decision: OrphanDecision) -> [WorkspaceID] { decision.quarantine.map(\.orphan.workspaceID) }

    /// Rows for these, so that a few orphans are not half of all.
    private func live(_ numbers: ClosedRange<Int>) -> [WorkspaceID: WorkspaceStatus] {
        Dictionary(uniqueKeysWithValues: numbers.map { (id($0), .online) })
    }

    @Test("a row in any status protects its container", arguments: WorkspaceStatus.allCases.filter { $0 != .removed })
    func protected(_ status: WorkspaceStatus) {
        let decision = decide(facts([container(1)], at: 100_000) { $0.statuses = [id(1): status] })
        #expect(decision.cases.isEmpty && decision.quarantine.isEmpty && decision.cleanup.isEmpty)
    }

    @Test("what a removed row still has is cleaned away after grace and two sightings, and not before")
    func removed() {
        func decision(_ seconds: Int64, sighted: Bool) -> OrphanDecision {
            decide(
                facts([container(1)], at: seconds) {
                    $0.statuses = [id(1): .removed]
                    if !sighted { $0.sightedBefore = [] }
                })
        }
        #expect(decision(659, sighted: true).cleanup.isEmpty)
        #expect(decision(660, sighted: false).cleanup.isEmpty)
        #expect(decision(660, sighted: true).cleanup == [id(1)])
    }

    @Test("one without a row among many with one is quarantined after grace and two sightings")
    func rowless() {
        let all = (1...4).map { container($0) }
        func decision(_ seconds: Int64, sighted: Bool = true) -> OrphanDecision {
            decide(
                facts(all, at: seconds) {
                    $0.statuses = live(2...4)
                    if !sighted { $0.sightedBefore = [] }
                })
        }
        #expect(taken(decision(659)).isEmpty && taken(decision(660, sighted: false)).isEmpty)
        let ripe = decision(660)
        #expect(taken(ripe) == [id(1)] && ripe.found.map(\.cause) == [.rowMissing])
    }

    @Test("the fuse: more than a cycle may take, or more than half of ours, and nothing is taken")
    func fuse() {
        let many = (1...20).map { container($0) }
        let tooMany = decide(facts(many, at: 1000) { $0.statuses = live(7...20) })
        #expect(taken(tooMany).isEmpty && tooMany.fuseBlown == 6)
        #expect(taken(decide(facts(many, at: 1000) { $0.statuses = live(6...20) })).count == 5)
        let half = (1...4).map { container($0) }
        #expect(decide(facts(half, at: 1000) { $0.statuses = live(3...4) }).fuseBlown == nil)
        #expect(decide(facts(half, at: 1000) { $0.statuses = live(4...4) }).fuseBlown == 3)
    }

    @Test("whom the fuse kept waits for a person, however few are left; what comes later waits with them")
    func fuseStays() {
        let many = (1...20).map { container($0) }
        let blown = decide(facts(many, at: 1000) { $0.statuses = live(7...20) })
        #expect(blown.saved.count == 6 && blown.saved.allSatisfy(\.awaitsDecision))
        let known = Dictionary(uniqueKeysWithValues: blown.saved.map { ($0.workspaceID, $0) })
        let rest = decide(
            facts(many, at: 1000) {
                $0.statuses = live(5...19)
                $0.known = known
            })
        #expect(taken(rest).isEmpty && rest.fuseBlown == 5 && rest.claimed == [id(5), id(6)])
        #expect(rest.saved.map(\.workspaceID) == [id(20)] && rest.saved.allSatisfy(\.awaitsDecision))
        let decided = decide(facts(many, at: 1000) { $0.statuses = live(2...20) })
        #expect(taken(decided) == [id(1)] && decided.fuseBlown == nil)
    }

    @Test("the young count for the fuse, so that they do not ripen one by one; while it is blown nothing else is taken")
    func fuseBeforeRipeness() {
        let young = (1...8).map { container($0, age: -Int64($0)) } + (9...40).map { container($0) }
        let blown = decide(facts(young, at: 30) { $0.statuses = live(9...40) })
        #expect(taken(blown).isEmpty && blown.fuseBlown == 8)
        let old = (41...44).map { container($0, age: 3600) }
        let both = decide(facts(young + old, at: 5000) { $0.statuses = live(9...40) })
        #expect(taken(both).isEmpty && both.fuseBlown == 8)
    }

    @Test("a database that has never known us: what is older is held for the whole time, then taken in batches")
    func wiped() {
        let all = (1...20).map { container($0, age: 3600) }
        let held = decide(facts(all, at: 1799))
        #expect(
            taken(held).isEmpty && held.holdUntil == Self.seen + .seconds(1800) && held.cases.allSatisfy { $0.orphan.cause == .databaseNew }
        )
        let over = decide(facts(all, at: 1800))
        #expect(taken(over).count == 5 && over.holdUntil == nil && over.fuseBlown == nil)
        #expect(taken(decide(facts(all, at: 1800) { $0.sightedBefore = [] })).isEmpty)
    }

    @Test("a container that does not say when it was made is taken for old")
    func ageless() {
        var container = container(1)
        container.createdAt = nil
        #expect(decide(facts([container], at: 100)).holdUntil != nil)
    }

    @Test("what somebody confirmed goes at once: no grace, no hold, no fuse")
    func confirmed() {
        let all = (1...20).map { container($0, age: 10) }
        let decision = decide(
            facts(all, at: 1) { facts in
                facts.sightedBefore = []
                for number in 1...20 { facts.known[id(number)] = record(number, .confirmed) }
            })
        #expect(taken(decision).count == 20)
    }

    private func record(_ number: Int, _ state: Orphan.State, quarantined: Int64? = nil) -> Orphan {
        var orphan = Orphan(
            labels: WorkspaceLabels(labels(number), of: instance)!, containerID: "c\(number)", cause: .databaseNew, state: state,
            createdAt: Self.seen - .seconds(10), firstSeenAt: Self.seen)
        orphan.quarantinedAt = quarantined.map { Self.seen + .seconds($0) }
        return orphan
    }

    @Test("what is quarantined and runs again is stopped again; what was restored is left alone")
    func states() {
        let all = [container(1, age: 10), container(2, age: 10, .exited), container(3, age: 10)]
        let decision = decide(
            facts(all, at: 100_000) {
                $0.known = [
                    id(1): record(1, .quarantined, quarantined: 99_999), id(2): record(2, .quarantined, quarantined: 99_999),
                    id(3): record(3, .restored),
                ]
            })
        #expect(taken(decision) == [id(1)] && decision.purge.isEmpty)
    }

    @Test("container and volumes go when the retention is over, and not a second before")
    func retention() {
        let retention: Int64 = 168 * 3600
        func purged(_ seconds: Int64) -> Int {
            decide(facts([container(1, age: 10, .exited)], at: seconds) { $0.known = [id(1): record(1, .quarantined, quarantined: 0)] })
                .purge.count
        }
        #expect(purged(retention - 1) == 0 && purged(retention) == 1)
    }

    @Test("what has a row again is nobody's orphan, whatever was decided about it")
    func claimed() {
        let decision = decide(
            facts([container(1, age: 10)], at: 1_000_000) {
                $0.known = [id(1): record(1, .quarantined, quarantined: 0)]
                $0.statuses = [id(1): .online]
            })
        #expect(decision.claimed == [id(1)] && decision.quarantine.isEmpty && decision.purge.isEmpty)
    }

    @Test("a record of what is gone is forgotten")
    func gone() {
        #expect(decide(facts([], at: 10) { $0.known = [id(1): record(1, .found)] }).gone == [id(1)])
    }

    @Test("other installations' things, and those without labels, are not even cases")
    func foreign() {
        var other = container(1)
        other.labels = labels(1, instance: "another")
        var bare = container(2)
        bare.labels = [:]
        let decision = decide(facts([other, bare], at: 100_000))
        #expect(decision.cases.isEmpty && decision.saved.isEmpty)
    }

    @Test("work in flight is left alone")
    func inFlight() {
        #expect(decide(facts([container(1)], at: 100_000) { $0.inFlight = [id(1)] }).cases.isEmpty)
    }

    @Test("volumes without a container are a case of their own, with everything their labels say")
    func volumesOnly() {
        let decision = decide(
            facts([], at: 100) { $0.volumes = [VolumeFacts(name: "v", labels: labels(1), createdAt: Self.seen - .seconds(5))] })
        #expect(decision.cases.map(\.volumes) == [["v"]] && decision.cases.first?.orphan.containerID == nil)
        #expect(decision.cases.first?.orphan.name == "w1")
    }

    @Test("a report looks and takes nothing")
    func report() {
        let decision = decide(
            facts([container(1), container(2, age: 10)], at: 100_000) {
                $0.statuses = [id(1): .removed]
                $0.known = [id(2): record(2, .confirmed)]
            }
        ) { $0.mode = .report }
        #expect(decision.cases.count == 2 && decision.cleanup.isEmpty && decision.quarantine.isEmpty && decision.purge.isEmpty)
    }
}

/// Choices from a seed: the same seed makes the same choices.
struct Dice {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `sides` - 1.
    mutating func roll(_ sides: Int) -> Int {
        precondition(sides > 0, "a die has at least one side")
        return sides == 1 ? 0 : Int(next().multipliedFullWidth(by: UInt64(sides)).high)
    }

    mutating func roll(_ range: ClosedRange<Int>) -> Int { range.lowerBound + roll(range.count) }

    mutating func chance(perMille: Int) -> Bool { perMille > 0 && roll(1000) < perMille }

    mutating func pick<Element>(_ elements: [Element]) -> Element? { elements.isEmpty ? nil : elements[roll(elements.count)] }

    /// One of `choices`, each as likely as its weight; nil when all weigh nothing.
    mutating func weighted<Choice>(_ choices: [(Choice, Int)]) -> Choice? {
        let total = choices.reduce(0) { $0 + $1.1 }
        guard total > 0 else { return nil }
        var left = roll(total)
        for (choice, weight) in choices {
            if left < weight { return choice }
            left -= weight
        }
        return nil
    }
}

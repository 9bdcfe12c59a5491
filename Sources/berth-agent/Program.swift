import Glibc

@main
struct Program {
    static func main() async { exit(await AgentProgram.run().rawValue) }
}

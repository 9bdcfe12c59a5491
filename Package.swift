// swift-tools-version: 6.2
import PackageDescription

// One strict array for every target: Swift 6 language mode, warnings are errors, imports are internal unless said otherwise.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

func system(_ name: String, pkgConfig: String? = nil, apt: String) -> Target {
    .systemLibrary(name: name, path: "Sources/System/\(name)", pkgConfig: pkgConfig, providers: [.apt([apt])])
}

let package = Package(
    name: "berth",
    products: [
        .executable(name: "berthd", targets: ["berthd"]),
        .executable(name: "berth", targets: ["berth"]),
        .executable(name: "berth-agent", targets: ["berth-agent"]),
    ],
    targets: [
        // C libraries: each has exactly one importing module.
        system("CMicroHTTPD", apt: "libmicrohttpd-dev"),
        system("CCurl", apt: "libcurl4-openssl-dev"),
        system("CYAML", apt: "libyaml-dev"),
        system("CSQLite", apt: "libsqlite3-dev"),
        system("CPostgres", pkgConfig: "libpq", apt: "libpq-dev"),
        system("CSodium", apt: "libsodium-dev"),
        system("CSpawn", apt: "libc6-dev"),

        // Values and ports.
        module("Model"),
        module("HTTP"),

        // Edges: one per library or engine.
        module("HTTPServer", ["HTTP", "CMicroHTTPD"]),
        module("HTTPClient", ["HTTP", "CCurl"]),
        module("Docker", ["Model", "HTTP"]),
        module("Distribution", ["Model", "HTTP"]),
        module("Templates", ["Model", "CYAML"]),
        module("Store", ["Model", "CSQLite", "CPostgres"]),
        module("Secrets", ["Model", "CSodium"]),

        // Policy: collaborators are ports in Model.
        module("Events", ["Model"]),
        module("Provisioner", ["Model"]),
        module("Images", ["Model"]),
        module("Sweeper", ["Model"]),
        module("Registry", ["Model"]),
        module("Proxy", ["Model", "HTTP"]),

        // The doors.
        module("API", ["Model", "HTTP", "Provisioner", "Registry", "Proxy", "Events", "Templates"]),

        // Programs.
        program(
            "berthd",
            [
                "Model", "HTTP", "HTTPServer", "HTTPClient", "Docker", "Distribution", "Templates", "Store", "Secrets",
                "Events", "Provisioner", "Images", "Sweeper", "Registry", "Proxy", "API",
            ]),
        program("berth", ["Model", "HTTP", "HTTPClient", "Templates"]),
        program("berth-agent", ["Model", "HTTP", "HTTPServer", "HTTPClient", "Templates", "CSpawn"]),

        // Tests.
        .target(
            name: "TestSupport", dependencies: ["Model", "HTTP", "CSpawn"], path: "Tests/TestSupport", swiftSettings: strict),
        // Policy under seeded schedules. The program alone hooks the runtime's executor: that is for a whole process.
        .target(
            name: "Simulation", dependencies: ["Model", "Provisioner", "Sweeper", "Registry", "Events", "TestSupport"],
            path: "Tests/Simulation", swiftSettings: strict),
        .executableTarget(
            name: "berth-sim", dependencies: ["Simulation"], path: "Tests/SimulationProgram", swiftSettings: strict),
        tests("SimulationTests", ["berth-sim"]),
        // One full reconcile pass over many rows, for bench/reconcile.py.
        .executableTarget(
            name: "berth-bench-reconcile", dependencies: ["Model", "Store", "Secrets", "Sweeper"], path: "Tests/ReconcileBench",
            swiftSettings: strict),
        tests("DistributionTests", ["Distribution", "HTTP", "Model", "TestSupport"]),
        tests("ImagesTests", ["Images", "Model", "TestSupport"]),
        tests("ModelTests", ["Model"]),
        tests("HTTPTests", ["HTTP", "HTTPServer", "HTTPClient", "TestSupport"]),
        tests("DockerTests", ["Docker", "HTTP", "HTTPClient", "HTTPServer", "Model", "TestSupport"]),
        tests("TemplatesTests", ["Templates", "Model", "TestSupport"]),
        tests("AgentTests", ["berth-agent", "HTTP", "HTTPClient", "HTTPServer", "Model", "TestSupport"]),
        tests("StoreContractTests", ["Store", "Secrets", "Model", "TestSupport"]),
        tests("ProvisionerTests", ["Provisioner", "Sweeper", "Events", "Model", "TestSupport"]),
        tests(
            "RegistryTests",
            ["Registry", "Proxy", "API", "Events", "HTTP", "HTTPClient", "HTTPServer", "Store", "Secrets", "Model", "TestSupport"]),
        tests("APITests", ["API", "Templates", "Provisioner", "Registry", "Proxy", "Events", "HTTP", "Model", "TestSupport"]),
        tests("BerthdTests", ["berthd", "API", "Model", "TestSupport"]),
        tests("BerthCLITests", ["berth", "HTTP", "Model", "TestSupport"]),
        tests("IntegrationTests", ["HTTP", "HTTPClient", "Model", "TestSupport"]),
    ]
)

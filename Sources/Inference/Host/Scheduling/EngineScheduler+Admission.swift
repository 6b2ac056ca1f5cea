extension EngineScheduler {
    /// What the driver does next with a job, in this order.
    enum Admission: Hashable, Sendable {
        case start(JobID)
        /// Takes the job's lanes away; it will be started again.
        case pause(JobID)
    }

    /// Starts waiting jobs while lanes and cells suffice: the least served tenant first.
    ///
    /// Where they do not suffice, jobs of tenants that hold more than their share are paused, youngest first. Where
    /// even that does not help, tenants that stay within their share may overtake, but only so often: then what is
    /// freed next is for the one whose turn it is, or a large job would wait for ever.
    mutating func admit() -> [Admission] {
        var admissions: [Admission] = []
        var blocked: [JobID] = []
        var order = waitingTenants
        while let name = order.first, let id = tenants[name]?.waiting.first, let entry = entry(id) {
            order.removeFirst()
            guard blocked.isEmpty || staysWithinShare(entry.job), let victims = victims(for: entry.job) else {
                if entry.overtaken >= limits.overtakes { break }
                blocked.append(id)
                continue
            }
            for victim in victims {
                pause(victim)
                admissions.append(.pause(victim))
            }
            for other in blocked { overtake(other) }
            start(id)
            admissions.append(.start(id))
            blocked = []
            order = waitingTenants
        }
        return admissions
    }

    private var waitingTenants: [Int64] {
        tenants.filter { !$0.value.waiting.isEmpty }.sorted {
            ($0.value.served, $0.value.lastStart, $0.key) < ($1.value.served, $1.value.lastStart, $1.key)
        }.map(\.key)
    }

    /// Whether its tenant would hold no more than its share with this job.
    private func staysWithinShare(_ job: Job) -> Bool {
        var own = holding(job.tenant)
        own.add(job)
        return own.use(limits) <= Double(job.weight) / Double(max(1, activeWeight))
    }

    private func holding(_ name: Int64) -> Holding {
        (tenants[name]?.running ?? []).reduce(into: Holding()) { sum, id in
            if let job = entry(id)?.job { sum.add(job) }
        }
    }

    /// What a tenant holds, in the scarcer of lanes and cells, as a part of all.
    private struct Holding {
        var lanes = 0
        var cells = 0

        mutating func add(_ job: Job, times factor: Int = 1) {
            lanes += factor * job.lanes
            cells += factor * job.cells
        }

        func use(_ limits: SchedulerLimits) -> Double {
            max(Double(lanes) / Double(limits.lanes), Double(cells) / Double(limits.cells))
        }
    }

    /// Jobs to pause so that `job` fits: none where it does; nil where it cannot fit now.
    private func victims(for job: Job) -> [JobID]? {
        var free = Holding(lanes: limits.lanes - lanesInUse, cells: limits.cells - cellsInUse)
        func fits() -> Bool { free.lanes >= job.lanes && free.cells >= job.cells }
        if fits() { return [] }
        let total = Double(max(1, activeWeight))
        var holdings = Dictionary(uniqueKeysWithValues: tenants.keys.map { ($0, holding($0)) })
        func excess(_ name: Int64) -> Double {
            (holdings[name]?.use(limits) ?? 0) - Double(tenants[name]?.weight ?? 0) / total
        }
        guard holding(job.tenant).lanes == 0 || staysWithinShare(job) else { return nil }
        var victims: [JobID] = []
        var chosen: Set<JobID> = []
        while !fits() {
            let over = tenants.filter { $0.key != job.tenant && excess($0.key) > 0 }
                .sorted { (excess($0.key), $1.key) > (excess($1.key), $0.key) }
            let victim = over.lazy.compactMap { _, tenant in
                tenant.running.last { isPausable($0) && !chosen.contains($0) }
            }.first
            guard let victim, let other = entry(victim)?.job else { return nil }
            victims.append(victim)
            chosen.insert(victim)
            free.add(other)
            holdings[other.tenant]?.add(other, times: -1)
        }
        return victims
    }

    /// A job that has just been started, or was paused often enough, is left alone.
    private func isPausable(_ id: JobID) -> Bool {
        entry(id).map { $0.decodes > 0 && $0.pauses < limits.pauses } ?? false
    }
}

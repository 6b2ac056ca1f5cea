import Foundation
import GatewayCore
import Postgres
import Testing

@testable import Ledger

/// Functions that run with their owner's rights, called by who has only the gateway's.
@Suite("Owner's rights: a function does what it is for, and nothing for whoever calls it")
struct OwnersRightsTests {
    @Test("every such function looks for its tables in their schema first and among temporary ones last")
    func searchPath() async throws {
        try await LedgerFixture.with { f in
            let all = try await f.number("select count(*) from pg_proc where prosecdef and proname ~ '^gboost_'")
            #expect(all == 6)
            let open = """
                select count(*) from pg_proc where prosecdef and proname ~ '^gboost_'
                  and not coalesce('search_path=public, pg_temp' = any (proconfig), false)
                """
            #expect(try await f.number(open) == 0)
        }
    }

    @Test("a temporary table in the place of one of theirs has no trigger run with these rights")
    func shadowed() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            let call = f.reservation(10)
            #expect(try await ledger.reserve(call).isGranted)
            await ledger.settle(.of(call.id, 7))
            try await RoleTests.withRole(DatabaseRole.app, f) { app in
                try await app.withConnection { session in
                    try await session.script(
                        """
                        create function pg_temp.evil() returns trigger language plpgsql as $$
                        begin
                          execute 'alter table public.ledger_entries disable trigger user';
                          execute 'update public.ledger_entries set amount = 1';
                          return null;
                        end $$;
                        create temp table escalation_texts (expires_at timestamptz);
                        grant all on escalation_texts to public;
                        insert into escalation_texts values (now() - interval '1 day');
                        create trigger evil after delete on escalation_texts
                          for each statement execute function pg_temp.evil();
                        select gboost_expire_texts();
                        """)
                }
            }
            #expect(try await f.number("select amount from ledger_entries") == 7)
        }
    }
}

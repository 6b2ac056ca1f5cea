/// Roles that the migrations make and grant rights to.
package enum DatabaseRole {
    /// What gateways and commands act as: it cannot change or delete what is posted, nor the schema.
    package static let app = "gboost_app"
    /// What serves one tenant reads as: it sees rows of the tenant in the setting `gboost.tenant`, and nothing else.
    package static let tenant = "gboost_tenant"
}

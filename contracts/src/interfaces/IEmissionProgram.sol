// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Adds emissions to what usage earned: a pool for each epoch, shared by the usage of that epoch.
/// @notice An epoch is a UTC day: unix seconds / 86,400. Anyone may fund epochs that have not begun. Once an epoch is over,
///         each contributor table has the part of the pool that its units are of all units; a unit is one base unit of
///         fees that contributors earned.
/// @notice No table gets more than its units times the lowest claim fee of operators and delegators since the epoch began. Whoever pays for usage
///         of a model to earn from it gets back at most its contributors' fees less their claim fee, and an emission no
///         higher than that claim fee less its own: calling one's own model loses money. What the cap leaves goes to the
///         pool of tomorrow. So does the pool of an epoch without any usage.
/// @notice A table's emission is split between training nodes and validators as FLock does, by gamma and the stake of each
///         role; in a role by weight; between an operator and its delegators by sigma, own and delegated stake, as everywhere.
///         Stake and sigma are those with which the epoch began, so nobody earns from usage before its stake existed.
/// @dev Trust: no owner. Claim fees and the treasury are the distributor's. Warning: an owner that lowers claim fees forgives
///      them for usage of the past too, and who waited with its claims until after a settlement may then come out even.
/// @dev Assumes a token that moves exactly what is asked; other deposits are refused.
interface IEmissionProgram {
    /// @notice A table's emission of one epoch.
    struct Share {
        uint256 tableId;
        uint256 epoch;
    }

    /// @notice What became of a share.
    /// @param isSettled false until someone claims from it, or asks for `settle`
    /// @param training base units for training nodes
    /// @param validators base units for validators
    struct Settlement {
        uint104 training;
        uint104 validators;
        bool isSettled;
    }

    /// @notice Thrown when gamma is above 500,000 ppm.
    error GammaInvalid(uint256 gammaPpm);
    /// @notice Thrown when the first epoch that is to be funded has begun or is too far off, or the last is: then with the
    ///         first one that cannot be funded, 65,535.
    error EpochInvalid(uint256 epoch);
    /// @notice Thrown for an amount of zero or one too large to book.
    error AmountInvalid(uint256 amount);
    /// @notice Thrown when a token transfer moved another amount than asked.
    error TokenUnsupported(uint256 expected, uint256 received);
    /// @notice Thrown when an epoch is not over.
    error EpochNotOver(uint256 epoch);
    /// @notice Thrown when an epoch had usage, so that its pool is not left over.
    error EpochUsed(uint256 epoch);
    /// @notice Thrown when there is nothing to pay or to move.
    error NothingToClaim();
    /// @notice Thrown when the caller may not choose where another's claim goes.
    error NotBeneficiary(address beneficiary, address caller);

    /// @notice An epoch's pool grew; `funder` is this contract when the amount was left over elsewhere.
    event EpochFunded(uint256 indexed epoch, address indexed funder, uint256 amount);
    /// @notice A table's emission was fixed; `leftOver` went to tomorrow's pool.
    event ShareSettled(
        uint256 indexed tableId, uint256 indexed epoch, uint256 training, uint256 validators, uint256 leftOver
    );
    /// @notice An operator was paid `amount` after `claimFee`.
    event OperatorClaimed(address indexed operator, address to, uint256 amount, uint256 claimFee);
    /// @notice A delegator was paid `amount` after `claimFee` for its delegation to `operator`.
    event DelegatorClaimed(
        address indexed delegator, address indexed operator, address to, uint256 amount, uint256 claimFee
    );
    /// @notice Claim fees were paid to the treasury.
    event TreasuryPaid(address indexed treasury, uint256 amount);

    /// @notice The token of emissions: that of fees.
    function PAYMENT_TOKEN() external view returns (address);
    /// @notice The contract that counts usage.
    function DISTRIBUTOR() external view returns (address);
    /// @notice The contract that holds stake.
    function VAULT() external view returns (address);
    /// @notice Least part of an emission for each role, in ppm.
    function GAMMA_PPM() external view returns (uint256);

    /// @notice Adds `amountEach` to the pools of `count` epochs from `firstEpoch` on.
    /// @dev Only epochs to come: what is there to earn is known before it can be earned.
    function fund(uint256 firstEpoch, uint256 count, uint256 amountEach) external;

    /// @notice Fixes a table's emission of an epoch that is over. Anyone may call; claims do it by themselves.
    function settle(Share calldata share) external;

    /// @notice Moves the pool of an epoch without usage to that of tomorrow. Anyone may call.
    function rollOver(uint256 epoch) external;

    /// @notice Pays an operator's part of shares; shares that it has no part of, or was paid, are passed over.
    /// @dev The caller must be the operator, unless `to` is zero: then it is paid at its own address.
    function claimOperator(address operator, Share[] calldata shares, address to) external returns (uint256 paid);

    /// @notice Pays a delegator's part of what `operator` has of shares; as `claimOperator`.
    function claimDelegator(address delegator, address operator, Share[] calldata shares, address to)
        external
        returns (uint256 paid);

    /// @notice Pays collected claim fees to the treasury. Anyone may call.
    function payTreasury() external returns (uint256 paid);

    /// @notice What is in the pool of an epoch, and how many units had their share of it.
    function poolOf(uint256 epoch) external view returns (uint256 amount, uint256 settledUnits);

    /// @notice A share as settled, or as it would be now; `leftOver` is what would go to tomorrow's pool. Until it is settled,
    ///         the order in which shares are may still move one unit.
    /// @dev Zero for shares without units. Reverts with `EpochNotOver` before the epoch's end.
    function shareOf(Share calldata share) external view returns (Settlement memory settlement, uint256 leftOver);

    /// @notice What `claimOperator` would take for one share, before the claim fee.
    function claimableOperator(address operator, Share calldata share) external view returns (uint256);

    /// @notice What `claimDelegator` would take for one share, before the claim fee.
    function claimableDelegator(address delegator, address operator, Share calldata share)
        external
        view
        returns (uint256);

    /// @notice Most emission for a unit of an epoch, in ppm: the lowest claim fee of operators and delegators since it began.
    function capPpm(uint256 epoch) external view returns (uint256);

    /// @notice All that is in pools or owed to anyone, in base units; never more than the tokens held.
    function reserves() external view returns (uint256);

    /// @notice Claim fees collected and not yet paid to the treasury.
    function treasuryOwed() external view returns (uint256);
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Told before stake or sigma changes, so that the past is settled with the stake it was earned with.
interface IStakeHook {
    /// @param operator whose stake, delegation or sigma is about to change
    /// @param stake of the operator before the change
    /// @param delegator whose delegation is about to change; zero when none is
    /// @param delegation what the delegator has with the operator before the change
    /// @return lastFundedEpoch latest epoch (UTC day) up to today that has emissions, 0 when there is none: stake as of then
    ///         may still be asked for
    /// @dev Must not revert and must not call back.
    function beforeStakeChange(
        address operator,
        IStakeVault.Stake calldata stake,
        address delegator,
        uint256 delegation
    ) external returns (uint256 lastFundedEpoch);
}

/// @title Stake of training nodes and validators (operators), and what is delegated to them.
/// @notice No owner, no slashing. Stake that leaves stops earning at once and can be taken after a cooldown.
/// @dev Assumes a token that moves exactly the amount asked; deposits of any other token are refused.
interface IStakeVault {
    /// @notice Stake of an operator.
    /// @param own base units the operator put in
    /// @param delegated base units others delegated
    /// @param sigmaPpm part of the reward earned by delegated stake that the operator keeps, in ppm
    struct Stake {
        uint96 own;
        uint96 delegated;
        uint24 sigmaPpm;
        bool acceptsDelegation;
    }

    /// @notice Stake on its way out.
    struct Withdrawal {
        uint128 amount;
        uint40 availableAt;
    }

    /// @notice Thrown for an amount of zero or one too large to book.
    error AmountInvalid(uint256 amount);
    /// @notice Thrown when more is taken than is there.
    error StakeInsufficient(uint256 requested, uint256 available);
    /// @notice Thrown when a token transfer moved another amount than asked.
    error TokenUnsupported(uint256 expected, uint256 received);
    /// @notice Thrown when the operator never set sigma, and so takes no delegation.
    error DelegationNotAccepted(address operator);
    /// @notice Thrown when an operator delegates to itself.
    error SelfDelegation();
    /// @notice Thrown for more than 1,000,000 ppm.
    error SigmaInvalid(uint256 sigmaPpm);
    /// @notice Thrown when there is nothing to do.
    error NothingPending();
    /// @notice Thrown before the cooldown is over.
    error CooldownNotOver(uint256 availableAt);
    /// @notice Thrown when an announced sigma was not applied in time.
    error AnnouncementExpired(uint256 expiredAt);
    /// @notice Thrown when stake of a day is asked for that was not kept, since the day has no emissions.
    error HistoryNotKept(uint256 epoch);

    /// @notice An operator's own stake changed to `own`.
    event StakeChanged(address indexed operator, uint256 own);
    /// @notice A delegation changed to `amount`; the operator's delegated total is `delegated`.
    event DelegationChanged(address indexed delegator, address indexed operator, uint256 amount, uint256 delegated);
    /// @notice Stake left and can be taken from `availableAt`. `operator` equals `account` for own stake.
    event WithdrawalRequested(address indexed account, address indexed operator, uint256 amount, uint256 availableAt);
    /// @notice Stake was paid out.
    event Withdrawn(address indexed account, address indexed operator, address to, uint256 amount);
    /// @notice A change of sigma was announced and can be applied from `availableAt`.
    event SigmaAnnounced(address indexed operator, uint256 sigmaPpm, uint256 availableAt);
    /// @notice Sigma is now `sigmaPpm`.
    event SigmaSet(address indexed operator, uint256 sigmaPpm);

    /// @notice Seconds between asking for stake and taking it, and between announcing sigma and applying it.
    function COOLDOWN() external view returns (uint256);

    /// @notice Seconds in which an announced sigma can be applied; afterwards it has to be announced again.
    function SIGMA_WINDOW() external view returns (uint256);

    /// @notice The token that is staked.
    function STAKE_TOKEN() external view returns (address);

    /// @notice Adds to the caller's own stake.
    function deposit(uint256 amount) external;

    /// @notice Takes own stake out of earning; it can be withdrawn after the cooldown.
    /// @dev A new request restarts the cooldown of what is already waiting.
    function requestWithdrawal(uint256 amount) external;

    /// @notice Delegates to an operator that has set sigma.
    function delegate(address operator, uint256 amount) external;

    /// @notice Takes a delegation out of earning; it can be withdrawn after the cooldown.
    function undelegate(address operator, uint256 amount) external;

    /// @notice Pays out what has waited long enough.
    /// @param operator the caller for own stake, otherwise the operator that was delegated to
    function withdraw(address operator, address to) external returns (uint256 amount);

    /// @notice Sets sigma: at once the first time, afterwards announced and applied after the cooldown.
    function setSigma(uint256 sigmaPpm) external;

    /// @notice Applies an announced sigma. Anyone may call.
    function applySigma(address operator) external;

    /// @notice Stake of an operator.
    function stakeOf(address operator) external view returns (Stake memory);

    /// @notice Stake of an operator, and what `delegator` has with it.
    function stakeAndDelegationOf(address operator, address delegator)
        external
        view
        returns (Stake memory stake, uint256 delegation);

    /// @notice Stake of an operator when an epoch (UTC day) began: before any change on that day.
    /// @dev Kept for epochs that have emissions; other days may revert with `HistoryNotKept`.
    function stakeAt(address operator, uint256 epoch) external view returns (Stake memory);

    /// @notice What `delegator` had with `operator` when an epoch began, as in `stakeAt`.
    function delegationAt(address delegator, address operator, uint256 epoch) external view returns (uint256);

    /// @notice Base units that `delegator` has with `operator`.
    function delegationOf(address delegator, address operator) external view returns (uint256);

    /// @notice Stake of `account` with `operator` on its way out.
    function withdrawalOf(address account, address operator) external view returns (Withdrawal memory);

    /// @notice An announced sigma; `availableAt` is 0 when there is none.
    function pendingSigmaOf(address operator) external view returns (uint256 sigmaPpm, uint256 availableAt);
}

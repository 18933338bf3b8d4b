// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ModelId} from "../types/ModelId.sol";
import {IStakeHook} from "./IStakeVault.sol";

/// @title Keeps all escrow, balances and fees, splits each fee by role, and pays claims.
/// @notice Trust: the owner sets claim fees under hard caps, attesters and the treasury, and nothing else; it cannot
///         touch balances, stop claims or change a settled amount. Attesters sign contributor tables.
/// @dev Token assumptions: moves exactly what is asked and does not charge on transfer (checked when escrow comes in); may
///      return nothing or false; may block accounts, which then affects those accounts alone.
///      Every amount is in base units of the payment token and below 2^104, twenty thousand times FLOCK's supply; what would
///      go beyond is refused when it comes in. Divisions round down; what remains goes to the host of the model (split of a
///      fee), to the operator (split with its delegators) or to the next fee (per-share carry).
///      An epoch is a UTC day: unix seconds / 86,400.
interface IRewardDistributor is IStakeHook {
    /// @notice One contributor of a model and its weight among those of its role.
    struct Contributor {
        address account;
        uint32 weight;
    }

    /// @notice Unused escrow and deposits of an account.
    /// @param amount base units
    /// @param lockedUntil unix seconds before which only orders can take from it
    struct Balance {
        uint104 amount;
        uint40 lockedUntil;
    }

    /// @notice A model's contributors as attested. The weights of a role sum up to less than 2^24.
    /// @param training training nodes, at most 64, in strictly rising address order
    /// @param validators validators, at most 64, in strictly rising address order
    /// @param nonce must be higher than that of the table in force
    /// @param expiry unix seconds after which the attestation is void
    struct ContributorTable {
        ModelId modelId;
        Contributor[] training;
        Contributor[] validators;
        uint64 nonce;
        uint40 expiry;
    }

    /// @notice Claim fee rates by role, in ppm.
    struct ClaimFees {
        uint24 hostPpm;
        uint24 operatorPpm;
        uint24 delegatorPpm;
    }

    /// @notice Thrown when the caller is not the usage meter.
    error NotMeter(address caller);
    /// @notice Thrown when the caller is not the stake vault.
    error NotVault(address caller);
    /// @notice Thrown when the caller is not the emission program.
    error NotEmissions(address caller);
    /// @notice Thrown when an amount is 2^104 base units or more.
    error AmountTooLarge(uint256 amount);
    /// @notice Thrown when a balance does not cover what an order costs.
    error BalanceInsufficient(address account, uint256 balance, uint256 amount);
    /// @notice Thrown when a balance is taken out before its lock ends.
    error BalanceLocked(uint256 lockedUntil);
    /// @notice Thrown when a lock would end earlier than it does.
    error LockShortened(uint256 lockedUntil);
    /// @notice Thrown when a lock would end later than `MAX_LOCK` from now.
    error LockTooLong(uint256 latest);
    /// @notice Thrown when the tokens for an escrow did not arrive in full.
    error EscrowNotFunded(uint256 required, uint256 held);
    /// @notice Thrown when a rate is above `MAX_CLAIM_FEE_PPM`.
    error ClaimFeeTooHigh(uint256 ppm);
    /// @notice Thrown when a required address is zero.
    error AddressMissing();
    /// @notice Thrown when there is nothing to pay.
    error NothingToClaim();
    /// @notice Thrown when the caller may not choose where another's claim goes.
    error NotBeneficiary(address beneficiary, address caller);
    /// @notice Thrown when a table has more than 64 entries in a role.
    error TooManyContributors(uint256 count);
    /// @notice Thrown when a role is not in strictly rising address order, or an entry is zero.
    error ContributorInvalid(address account);
    /// @notice Thrown when the weights of a role sum up to 2^24 or more.
    error WeightsTooLarge(uint256 sum);
    /// @notice Thrown when an attestation is older than the table in force.
    error AttestationStale(uint64 nonce, uint64 current);
    /// @notice Thrown when an attestation is past its expiry.
    error AttestationExpired(uint256 expiry);
    /// @notice Thrown when an attestation is not signed by an attester.
    error AttestationInvalid(address attester);
    /// @notice Thrown when an account is a contributor of too many models.
    error TooManyTables(address operator);
    /// @notice Thrown when the model is unknown.
    error ModelUnknown(ModelId modelId);

    /// @notice A model's contributors changed; `tableId` names the new table.
    event ContributorsSet(
        ModelId indexed modelId, uint256 indexed tableId, address indexed attester, ContributorTable table
    );
    /// @notice What an operator earned since it was last settled, split with its delegators.
    event OperatorSettled(address indexed operator, uint256 operatorPart, uint256 delegatorsPart);
    /// @notice A host was paid `amount` after `claimFee`.
    event HostClaimed(ModelId indexed modelId, address indexed host, address to, uint256 amount, uint256 claimFee);
    /// @notice An operator was paid `amount` after `claimFee`.
    event OperatorClaimed(address indexed operator, address to, uint256 amount, uint256 claimFee);
    /// @notice A delegator was paid `amount` after `claimFee` for its delegation to `operator`.
    event DelegatorClaimed(
        address indexed delegator, address indexed operator, address to, uint256 amount, uint256 claimFee
    );
    /// @notice Someone put `amount` into an account's balance.
    event Deposited(address indexed account, address indexed payer, uint256 amount);
    /// @notice An account promised not to withdraw its balance before `until`.
    event BalanceLockSet(address indexed account, uint256 until);
    /// @notice A balance was paid out.
    event BalanceWithdrawn(address indexed account, address to, uint256 amount);
    /// @notice Claim fees changed for claims to come.
    event ClaimFeesSet(ClaimFees fees);
    /// @notice An attester was added or removed.
    event AttesterSet(address indexed attester, bool allowed);
    /// @notice The receiver of claim fees changed.
    event TreasurySet(address indexed treasury);
    /// @notice Claim fees were paid to the treasury.
    event TreasuryPaid(address indexed treasury, uint256 amount);

    /// @notice Highest claim fee the owner can set, in ppm.
    function MAX_CLAIM_FEE_PPM() external view returns (uint256);
    /// @notice Most contributors of one role in a table.
    function MAX_CONTRIBUTORS() external view returns (uint256);
    /// @notice Most tables that one operator can be in at a time.
    function MAX_TABLES_PER_OPERATOR() external view returns (uint256);
    /// @notice Longest time for which a balance can be locked, in seconds. A lock that ran out can be set again.
    function MAX_LOCK() external view returns (uint256);
    /// @notice The token of prices, fees and rewards.
    function PAYMENT_TOKEN() external view returns (address);
    /// @notice The registry of models.
    function REGISTRY() external view returns (address);
    /// @notice The contract that checks receipts.
    function METER() external view returns (address);
    /// @notice The contract that holds stake.
    function VAULT() external view returns (address);
    /// @notice The contract that adds emissions to what usage earned.
    function EMISSIONS() external view returns (address);

    /// @notice Books `amount` of escrow that must already have arrived. Meter only.
    function takeEscrow(uint256 amount) external;

    /// @notice Splits one fee by role and credits the rest of its escrow to the requester. Meter only.
    /// @dev The host gets the fee less the other two parts, which includes the part of a role without members.
    /// @return trainingPart growth of the training nodes' part of all fees since table or split changed (RewardLib.splitDown)
    /// @return validatorPart likewise for validators
    function bookFee(
        ModelId modelId,
        uint256 fee,
        uint256 trainingPpm,
        uint256 validatorPpm,
        address requester,
        uint256 refund
    ) external returns (uint256 trainingPart, uint256 validatorPart);

    /// @notice Credits unused escrow to the requester's balance. Meter only.
    function refundEscrow(address requester, uint256 amount) external;

    /// @notice Takes what an order costs from its requester's balance. Meter only.
    function takeBalance(address requester, uint256 amount) external;

    /// @notice Notes that an epoch to come has emissions, so that its usage is counted. Emission program only.
    function noteFundedEpoch(uint256 epoch) external;

    /// @notice Puts the caller's tokens into the balance of `account`, for orders to come.
    function deposit(address account, uint256 amount) external;

    /// @notice Promises not to withdraw the caller's balance before `until`, refunds that arrive meanwhile included.
    /// @dev A host that answers an order works before it is paid: it can ask for a lock beyond the order's deadline.
    function lockBalance(uint40 until) external;

    /// @notice Puts a model's attested contributors in force; what was earned before is settled by the old table.
    /// @dev Anyone may bring a valid attestation.
    function setContributors(ContributorTable calldata table, address attester, bytes calldata signature) external;

    /// @notice Pays what models earned their hosts. The caller must be the host, unless `to` is zero: then each host is
    ///         paid at its own address.
    function claimHost(ModelId[] calldata modelIds, address to) external returns (uint256 paid);

    /// @notice Pays what operators earned. The caller must be each operator, unless `to` is zero: then each is paid at its
    ///         own address.
    function claimOperator(address[] calldata operators, address to) external returns (uint256 paid);

    /// @notice Pays what `delegator` earned with `operators`. The caller must be the delegator, unless `to` is zero.
    function claimDelegator(address delegator, address[] calldata operators, address to)
        external
        returns (uint256 paid);

    /// @notice Pays out a balance that is not locked. The caller must be the account, unless `to` is zero.
    function withdrawBalance(address account, address to) external returns (uint256 paid);

    /// @notice Pays collected claim fees to the treasury. Anyone may call.
    function payTreasury() external returns (uint256 paid);

    /// @notice Sets the claim fees. Owner only; each at most `MAX_CLAIM_FEE_PPM`.
    function setClaimFees(ClaimFees calldata fees) external;
    /// @notice Adds or removes an attester. Owner only.
    function setAttester(address attester, bool allowed) external;
    /// @notice Sets the receiver of claim fees. Owner only.
    function setTreasury(address treasury) external;

    /// @notice What `claimHost` would take for a model, before the claim fee.
    function claimableHost(ModelId modelId) external view returns (uint256);
    /// @notice What `claimOperator` would take for an operator, before the claim fee.
    function claimableOperator(address operator) external view returns (uint256);
    /// @notice What `claimDelegator` would take for one delegation, before the claim fee.
    function claimableDelegator(address delegator, address operator) external view returns (uint256);
    /// @notice Unused escrow and deposits of an account.
    function balanceOf(address account) external view returns (uint256);
    /// @notice Unix seconds before which only orders can take from an account's balance; 0 when it was never locked.
    function lockedUntil(address account) external view returns (uint256);
    /// @notice Claim fees in force.
    function claimFees() external view returns (ClaimFees memory);
    /// @notice The lowest claim fee, in ppm, that operators or delegators could claim at since an epoch began.
    function lowestClaimFeeSince(uint256 epoch) external view returns (uint256);
    /// @notice True for accounts that may attest.
    function isAttester(address account) external view returns (bool);
    /// @notice Receiver of claim fees.
    function treasury() external view returns (address);
    /// @notice All that is owed to anyone, in base units; never more than the tokens held.
    function reserves() external view returns (uint256);
    /// @notice Claim fees collected and not yet paid to the treasury.
    function treasuryOwed() external view returns (uint256);
    /// @notice The table in force for a model: its id (0 when none), nonce and members.
    function contributorsOf(ModelId modelId)
        external
        view
        returns (uint256 tableId, uint64 nonce, Contributor[] memory training, Contributor[] memory validators);
    /// @notice Members of a table, in force or not; empty when unknown.
    function membersOf(uint256 tableId)
        external
        view
        returns (Contributor[] memory training, Contributor[] memory validators);
    /// @notice Models whose tables in force an operator is in.
    function modelsOf(address operator) external view returns (ModelId[] memory);
    /// @notice Usage units of a table in an epoch: the contributors' part of its fees, in base units. Counted in epochs that
    ///         have emissions; final when the epoch is over.
    function unitsOf(uint256 tableId, uint256 epoch) external view returns (uint256);
    /// @notice Sum of the units of all tables in an epoch.
    function unitsIn(uint256 epoch) external view returns (uint256);
    /// @notice EIP-712 digest that an attester signs.
    function tableDigest(ContributorTable calldata table) external view returns (bytes32);
    /// @notice EIP-712 domain separator of attestations.
    function domainSeparator() external view returns (bytes32);
}

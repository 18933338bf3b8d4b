// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IStakeHook, IStakeVault} from "./interfaces/IStakeVault.sol";

/// @title StakeVault
contract StakeVault is IStakeVault {
    using SafeTransferLib for address;

    /// @inheritdoc IStakeVault
    uint256 public constant COOLDOWN = 1 days;

    /// @inheritdoc IStakeVault
    uint256 public constant SIGMA_WINDOW = 7 days;

    /// @dev The whole, in parts per million.
    uint256 internal constant PPM = 1_000_000;

    /// @inheritdoc IStakeVault
    address public immutable STAKE_TOKEN;

    /// @notice Settles rewards before any stake changes.
    IStakeHook public immutable HOOK;

    /// @dev Epochs are UTC days. `changedIn` is that of the last change, `keptIn` the latest one whose beginning was kept.
    struct StakeRecord {
        uint96 own;
        uint96 delegated;
        uint24 sigmaPpm;
        bool acceptsDelegation;
        uint16 changedIn;
        uint16 keptIn;
    }

    struct DelegationRecord {
        uint96 amount;
        uint16 changedIn;
        uint16 keptIn;
    }

    /// @dev Stake when an epoch began, and when each one after `changedIn` did. `previous` is the epoch of the point before.
    struct StakePoint {
        uint96 own;
        uint96 delegated;
        uint24 sigmaPpm;
        bool acceptsDelegation;
        uint16 changedIn;
        uint16 previous;
    }

    struct DelegationPoint {
        uint96 amount;
        uint16 changedIn;
        uint16 previous;
    }

    struct PendingSigma {
        uint24 sigmaPpm;
        uint40 availableAt;
    }

    mapping(address operator => StakeRecord stake) internal stakes;
    mapping(address operator => PendingSigma pending) internal pendingSigmas;
    mapping(address operator => mapping(address delegator => DelegationRecord delegation)) internal delegations;
    mapping(address operator => mapping(address account => Withdrawal withdrawal)) internal withdrawals;
    mapping(address operator => mapping(uint256 epoch => StakePoint point)) internal stakePoints;
    mapping(address operator => mapping(address delegator => mapping(uint256 epoch => DelegationPoint point))) internal
        delegationPoints;

    /// @dev Created by the reward distributor, which is the sender and settles rewards.
    constructor(address stakeToken) {
        STAKE_TOKEN = stakeToken;
        HOOK = IStakeHook(msg.sender);
    }

    /// @inheritdoc IStakeVault
    function deposit(uint256 amount) external {
        StakeRecord memory stake = _beforeChange(msg.sender);
        stake.own = _add(stake.own, amount);
        stakes[msg.sender] = stake;
        emit StakeChanged(msg.sender, stake.own);
        _pull(amount);
    }

    /// @inheritdoc IStakeVault
    function requestWithdrawal(uint256 amount) external {
        StakeRecord memory stake = _beforeChange(msg.sender);
        stake.own = _subtract(stake.own, amount);
        stakes[msg.sender] = stake;
        emit StakeChanged(msg.sender, stake.own);
        _queue(msg.sender, msg.sender, amount);
    }

    /// @inheritdoc IStakeVault
    function delegate(address operator, uint256 amount) external {
        if (operator == msg.sender) revert SelfDelegation();
        (StakeRecord memory stake, DelegationRecord memory delegation) = _beforeChange(operator, msg.sender);
        if (!stake.acceptsDelegation) revert DelegationNotAccepted(operator);
        stake.delegated = _add(stake.delegated, amount);
        delegation.amount += uint96(amount);
        _putDelegation(operator, stake, delegation);
        _pull(amount);
    }

    /// @inheritdoc IStakeVault
    function undelegate(address operator, uint256 amount) external {
        (StakeRecord memory stake, DelegationRecord memory delegation) = _beforeChange(operator, msg.sender);
        delegation.amount = _subtract(delegation.amount, amount);
        stake.delegated -= uint96(amount);
        _putDelegation(operator, stake, delegation);
        _queue(operator, msg.sender, amount);
    }

    /// @inheritdoc IStakeVault
    function withdraw(address operator, address to) external returns (uint256 amount) {
        Withdrawal memory withdrawal = withdrawals[operator][msg.sender];
        amount = withdrawal.amount;
        if (amount == 0) revert NothingPending();
        if (block.timestamp < withdrawal.availableAt) revert CooldownNotOver(withdrawal.availableAt);
        delete withdrawals[operator][msg.sender];
        emit Withdrawn(msg.sender, operator, to, amount);
        STAKE_TOKEN.safeTransfer(to, amount);
    }

    /// @inheritdoc IStakeVault
    function setSigma(uint256 sigmaPpm) external {
        if (sigmaPpm > PPM) revert SigmaInvalid(sigmaPpm);
        if (!stakes[msg.sender].acceptsDelegation) {
            _putSigma(msg.sender, uint24(sigmaPpm));
            return;
        }
        uint40 availableAt = uint40(block.timestamp + COOLDOWN);
        pendingSigmas[msg.sender] = PendingSigma(uint24(sigmaPpm), availableAt);
        emit SigmaAnnounced(msg.sender, sigmaPpm, availableAt);
    }

    /// @inheritdoc IStakeVault
    function applySigma(address operator) external {
        PendingSigma memory pending = pendingSigmas[operator];
        if (pending.availableAt == 0) revert NothingPending();
        if (block.timestamp < pending.availableAt) revert CooldownNotOver(pending.availableAt);
        uint256 expiresAt = pending.availableAt + SIGMA_WINDOW;
        if (block.timestamp > expiresAt) revert AnnouncementExpired(expiresAt);
        delete pendingSigmas[operator];
        _putSigma(operator, pending.sigmaPpm);
    }

    /// @inheritdoc IStakeVault
    function stakeOf(address operator) external view returns (Stake memory) {
        return _stakeOf(operator);
    }

    /// @inheritdoc IStakeVault
    function stakeAndDelegationOf(address operator, address delegator)
        external
        view
        returns (Stake memory stake, uint256 delegation)
    {
        return (_stakeOf(operator), delegations[operator][delegator].amount);
    }

    /// @inheritdoc IStakeVault
    function stakeAt(address operator, uint256 epoch) external view returns (Stake memory) {
        StakeRecord memory stake = stakes[operator];
        if (epoch > stake.changedIn) return _stakeOf(operator);
        uint256 kept = stake.keptIn;
        while (kept != 0 && epoch <= kept) {
            StakePoint memory point = stakePoints[operator][kept];
            if (epoch > point.changedIn) {
                return Stake(point.own, point.delegated, point.sigmaPpm, point.acceptsDelegation);
            }
            kept = point.previous;
        }
        revert HistoryNotKept(epoch);
    }

    /// @inheritdoc IStakeVault
    function delegationAt(address delegator, address operator, uint256 epoch) external view returns (uint256) {
        DelegationRecord memory delegation = delegations[operator][delegator];
        if (epoch > delegation.changedIn) return delegation.amount;
        uint256 kept = delegation.keptIn;
        while (kept != 0 && epoch <= kept) {
            DelegationPoint memory point = delegationPoints[operator][delegator][kept];
            if (epoch > point.changedIn) return point.amount;
            kept = point.previous;
        }
        revert HistoryNotKept(epoch);
    }

    /// @inheritdoc IStakeVault
    function delegationOf(address delegator, address operator) external view returns (uint256) {
        return delegations[operator][delegator].amount;
    }

    /// @inheritdoc IStakeVault
    function withdrawalOf(address account, address operator) external view returns (Withdrawal memory) {
        return withdrawals[operator][account];
    }

    /// @inheritdoc IStakeVault
    function pendingSigmaOf(address operator) external view returns (uint256 sigmaPpm, uint256 availableAt) {
        PendingSigma memory pending = pendingSigmas[operator];
        return (pending.sigmaPpm, pending.availableAt);
    }

    function _stakeOf(address operator) internal view returns (Stake memory) {
        return _published(stakes[operator]);
    }

    function _published(StakeRecord memory stake) internal pure returns (Stake memory) {
        return Stake(stake.own, stake.delegated, stake.sigmaPpm, stake.acceptsDelegation);
    }

    /// @dev Settles what was earned with the stake as it is, and keeps it when an epoch with emissions began with it.
    ///      The caller changes the record and writes it.
    function _beforeChange(address operator) internal returns (StakeRecord memory stake) {
        stake = stakes[operator];
        _keepStake(operator, stake, HOOK.beforeStakeChange(operator, _published(stake), address(0), 0));
    }

    function _beforeChange(address operator, address delegator)
        internal
        returns (StakeRecord memory stake, DelegationRecord memory delegation)
    {
        stake = stakes[operator];
        delegation = delegations[operator][delegator];
        uint256 lastFundedEpoch =
            HOOK.beforeStakeChange(operator, _published(stake), delegator, delegation.amount);
        _keepStake(operator, stake, lastFundedEpoch);
        uint16 today = _today();
        if (delegation.changedIn != today && lastFundedEpoch > delegation.changedIn) {
            delegationPoints[operator][delegator][today] =
                DelegationPoint(delegation.amount, delegation.changedIn, delegation.keptIn);
            delegation.keptIn = today;
        }
        delegation.changedIn = today;
    }

    function _keepStake(address operator, StakeRecord memory stake, uint256 lastFundedEpoch) internal {
        uint16 today = _today();
        if (stake.changedIn != today && lastFundedEpoch > stake.changedIn) {
            stakePoints[operator][today] =
                StakePoint(
                stake.own, stake.delegated, stake.sigmaPpm, stake.acceptsDelegation, stake.changedIn, stake.keptIn
            );
            stake.keptIn = today;
        }
        stake.changedIn = today;
    }

    function _today() internal view returns (uint16) {
        return uint16(block.timestamp / 1 days);
    }

    function _putDelegation(address operator, StakeRecord memory stake, DelegationRecord memory delegation) internal {
        stakes[operator] = stake;
        delegations[operator][msg.sender] = delegation;
        emit DelegationChanged(msg.sender, operator, delegation.amount, stake.delegated);
    }

    function _putSigma(address operator, uint24 sigmaPpm) internal {
        StakeRecord memory stake = _beforeChange(operator);
        stake.sigmaPpm = sigmaPpm;
        stake.acceptsDelegation = true;
        stakes[operator] = stake;
        emit SigmaSet(operator, sigmaPpm);
    }

    function _add(uint96 stake, uint256 amount) internal pure returns (uint96) {
        if (amount == 0 || amount > type(uint96).max - stake) revert AmountInvalid(amount);
        return stake + uint96(amount);
    }

    function _subtract(uint96 stake, uint256 amount) internal pure returns (uint96) {
        if (amount == 0) revert AmountInvalid(amount);
        if (amount > stake) revert StakeInsufficient(amount, stake);
        return stake - uint96(amount);
    }

    function _queue(address operator, address account, uint256 amount) internal {
        Withdrawal storage withdrawal = withdrawals[operator][account];
        uint40 availableAt = uint40(block.timestamp + COOLDOWN);
        withdrawal.amount += uint128(amount);
        withdrawal.availableAt = availableAt;
        emit WithdrawalRequested(account, operator, amount, availableAt);
    }

    /// @dev Books come first; a token that then moves another amount, or comes back in between, undoes everything.
    function _pull(uint256 amount) internal {
        uint256 held = STAKE_TOKEN.balanceOf(address(this));
        STAKE_TOKEN.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = STAKE_TOKEN.balanceOf(address(this)) - held;
        if (received != amount) revert TokenUnsupported(amount, received);
    }
}

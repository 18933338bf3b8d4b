// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IStakeHook, IStakeVault} from "./interfaces/IStakeVault.sol";

/// @title StakeVault
contract StakeVault is IStakeVault {
    using SafeTransferLib for address;

    /// @inheritdoc IStakeVault
    uint256 public constant COOLDOWN = 1 days;

    /// @dev The whole, in parts per million.
    uint256 internal constant PPM = 1_000_000;

    /// @inheritdoc IStakeVault
    address public immutable STAKE_TOKEN;

    /// @notice Settles rewards before any stake changes.
    IStakeHook public immutable HOOK;

    struct PendingSigma {
        uint24 sigmaPpm;
        uint40 availableAt;
    }

    mapping(address operator => Stake stake) internal stakes;
    mapping(address operator => PendingSigma pending) internal pendingSigmas;
    mapping(address operator => mapping(address delegator => uint256 amount)) internal delegations;
    mapping(address operator => mapping(address account => Withdrawal withdrawal)) internal withdrawals;

    /// @dev Created by the reward distributor, which is the sender and settles rewards.
    constructor(address stakeToken) {
        STAKE_TOKEN = stakeToken;
        HOOK = IStakeHook(msg.sender);
    }

    /// @inheritdoc IStakeVault
    function deposit(uint256 amount) external {
        HOOK.beforeStakeChange(msg.sender, address(0));
        uint104 own = _add(stakes[msg.sender].own, amount);
        stakes[msg.sender].own = own;
        emit StakeChanged(msg.sender, own);
        _pull(amount);
    }

    /// @inheritdoc IStakeVault
    function requestWithdrawal(uint256 amount) external {
        HOOK.beforeStakeChange(msg.sender, address(0));
        uint104 own = _subtract(stakes[msg.sender].own, amount);
        stakes[msg.sender].own = own;
        emit StakeChanged(msg.sender, own);
        _queue(msg.sender, msg.sender, amount);
    }

    /// @inheritdoc IStakeVault
    function delegate(address operator, uint256 amount) external {
        if (operator == msg.sender) revert SelfDelegation();
        if (!stakes[operator].acceptsDelegation) revert DelegationNotAccepted(operator);
        HOOK.beforeStakeChange(operator, msg.sender);
        uint104 delegated = _add(stakes[operator].delegated, amount);
        stakes[operator].delegated = delegated;
        uint256 own = delegations[operator][msg.sender] + amount;
        delegations[operator][msg.sender] = own;
        emit DelegationChanged(msg.sender, operator, own, delegated);
        _pull(amount);
    }

    /// @inheritdoc IStakeVault
    function undelegate(address operator, uint256 amount) external {
        HOOK.beforeStakeChange(operator, msg.sender);
        uint256 own = delegations[operator][msg.sender];
        if (amount == 0) revert AmountInvalid(amount);
        if (amount > own) revert StakeInsufficient(amount, own);
        delegations[operator][msg.sender] = own - amount;
        uint104 delegated = _subtract(stakes[operator].delegated, amount);
        stakes[operator].delegated = delegated;
        emit DelegationChanged(msg.sender, operator, own - amount, delegated);
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
        delete pendingSigmas[operator];
        _putSigma(operator, pending.sigmaPpm);
    }

    /// @inheritdoc IStakeVault
    function stakeOf(address operator) external view returns (Stake memory) {
        return stakes[operator];
    }

    /// @inheritdoc IStakeVault
    function delegationOf(address delegator, address operator) external view returns (uint256) {
        return delegations[operator][delegator];
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

    function _putSigma(address operator, uint24 sigmaPpm) internal {
        HOOK.beforeStakeChange(operator, address(0));
        stakes[operator].sigmaPpm = sigmaPpm;
        stakes[operator].acceptsDelegation = true;
        emit SigmaSet(operator, sigmaPpm);
    }

    function _add(uint104 stake, uint256 amount) internal pure returns (uint104) {
        if (amount == 0 || amount > type(uint104).max - stake) revert AmountInvalid(amount);
        return stake + uint104(amount);
    }

    function _subtract(uint104 stake, uint256 amount) internal pure returns (uint104) {
        if (amount == 0) revert AmountInvalid(amount);
        if (amount > stake) revert StakeInsufficient(amount, stake);
        return stake - uint104(amount);
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
